"""The registers as they stand in the topic `registers`: the last record of each entry."""

from __future__ import annotations

import logging
from contextlib import aclosing

from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.topics import REGISTERS

from ..connections import kafka
from ..connections.addresses import Cluster

log = logging.getLogger(__name__)


async def standing(place: Cluster) -> dict[str, RegisterEntry]:
    """Every entry by its id, read from the first record to the present last. Raises OperatorError."""
    found: dict[str, RegisterEntry] = {}
    async with aclosing(kafka.records(place, REGISTERS)) as records:
        async for record in records:
            _take(found, record.key, record.headers, record.value)
    return found


def _take(found: dict[str, RegisterEntry], key: bytes, headers: list[tuple[str, bytes]], value: bytes | None) -> None:
    """Keeps what a record says. One that is no entry says nothing, as intake has it too."""
    if value is None:
        found.pop(key.decode(errors="replace"), None)
        return
    try:
        entry = decode(key, headers, value)[1]
    except Undecodable as fault:
        log.warning("A record of the registers is no entry (%s)", fault.code)
        return
    if isinstance(entry, RegisterEntry):
        found[entry.entry_id] = entry

"""Loads register files: publishes their changes to the topic `registers`."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from uuid import UUID, uuid5

from servicecert_schemas.codec import to_record
from servicecert_schemas.event import Change
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.topics import REGISTERS
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..faults import UserError
from .changes import Changes, changes

SOURCE = "/registers-loader"
_EVENT_IDS = UUID("6f0f3c1c-8a4d-5b59-9d0a-6d3b0c7f5e21")
_BATCH = 5_000


async def load(cluster: Cluster, entries: Sequence[RegisterEntry], day: date, end_at_most: float | None) -> Changes:
    """Publish what the entries change from `day` on, and return it. Nothing is published if `end_at_most` is None.

    Raises UserError if more than `end_at_most` per cent of the entries would end, OperatorError.
    """
    result = changes(await current_entries(cluster), entries, day)
    if end_at_most is None:
        return result
    if result.ended_percent > end_at_most:
        raise UserError(
            f"The file would end {len(result.ended)} of the {result.in_force} entries in force"
            f" ({result.ended_percent:.1f} %), more than {end_at_most:g} %: check it with --dry-run, and if it is right"
            " load it with --end-at-most 100.",
            os.EX_DATAERR,
        )
    await publish_entries(cluster, result.entries)
    return result


async def current_entries(cluster: Cluster) -> dict[str, RegisterEntry]:
    """Return the last record of each entry, by the entry's id. Raises OperatorError."""
    entries: dict[str, RegisterEntry] = {}

    def take(change: Change) -> None:
        if change.data is None:
            entries.pop(change.key, None)
        elif isinstance(change.data, RegisterEntry):
            entries[change.key] = change.data

    await kafka.read(cluster, REGISTERS, take)
    return entries


async def publish_entries(cluster: Cluster, entries: Iterable[RegisterEntry]) -> None:
    """Publish entries in order, in batches. An entry published before has the same event id. Raises OperatorError."""
    now = datetime.now(UTC)
    records = (to_record(each, source=SOURCE, id=event_id(each), time=now) for each in entries)
    async with kafka.producer(cluster) as producer:
        while batch := list(islice(records, _BATCH)):
            await kafka.send(producer, cluster, batch)


def event_id(entry: RegisterEntry) -> UUID:
    """Return the event id of an entry: the same for the same content, so that a repeated load repeats its events."""
    return uuid5(_EVENT_IDS, entry.model_dump_json())

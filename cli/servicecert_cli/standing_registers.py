"""The registers as they stand in the topic `registers`: the last record of each entry."""

from __future__ import annotations

import asyncio
import logging

from aiokafka import TopicPartition
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.topics import REGISTERS
from servicecert_worker.faults import OperatorError

from servicecert_cli import kafka
from servicecert_cli.addresses import Cluster

log = logging.getLogger(__name__)
SECONDS = 60.0


async def standing(place: Cluster) -> dict[str, RegisterEntry]:
    """Every entry by its id, read from the first record to the present last. Raises OperatorError."""
    found: dict[str, RegisterEntry] = {}
    topic = place.name(REGISTERS)
    async with kafka.admin(place) as admin:
        (described,) = await admin.describe_topics([topic])
    if described["error_code"] != 0:
        raise OperatorError(f"Kafka has no topic {topic}: run `servicecert topics create`.", 78)
    async with kafka.reader(place) as consumer:
        partitions = [TopicPartition(topic, part["partition"]) for part in described["partitions"]]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(SECONDS):
            while any([await consumer.position(each) < ends[each] for each in partitions]):
                batches = await consumer.getmany(timeout_ms=200, max_records=5_000)
                for record in (each for batch in batches.values() for each in batch):
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

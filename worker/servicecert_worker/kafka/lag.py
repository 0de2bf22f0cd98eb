"""What the services have not handled yet, in messages and in seconds, asked from outside.

It is the same whether workers run or not. Seconds are the age of the oldest record that waits, by its producer's clock.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from servicecert_schemas.topics import CATALOGUE, REGISTERS

from ..faults import backoff
from ..runtime.record import time_of
from .internals import assigned_to

_FETCH_SECONDS = 10.0
_COORDINATOR_SECONDS = 15.0
_NOT_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """What waits in one partition. `seconds` is 0 where nothing waits, None where the oldest record could not be read in time."""

    group: str
    topic: str
    partition: int
    messages: int
    seconds: float | None


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """The offset that a group goes on from, for each partition of which it has handled something. Raises what aiokafka raises."""
    coordinator, _ = await _described(admin, group)
    found = await admin.list_consumer_group_offsets(group, coordinator)
    return {partition: meta.offset for partition, meta in found.items()}


async def members(admin: AIOKafkaAdminClient, group: str) -> list[set[TopicPartition]]:
    """The partitions that each running worker of a group reads. Raises what aiokafka raises."""
    _, workers = await _described(admin, group)
    return [assigned_to(worker[4]) for worker in workers]


async def _described(admin: AIOKafkaAdminClient, group: str) -> tuple[int, Sequence[Any]]:
    """Which broker coordinates a group, and the group's members as that broker describes them.

    A cluster that is new, or has lost a broker, has no coordinator for a moment, and one that has just begun knows of no member and no offset: it
    says so, and is asked again for some seconds. Raises what aiokafka raises.
    """
    until = asyncio.get_running_loop().time() + _COORDINATOR_SECONDS
    async for _ in backoff(longest=1.0):
        try:
            coordinator = await admin.find_coordinator(group)
            (answer,) = await admin.describe_consumer_groups([group], coordinator)
            code, _, _, _, _, workers, *_ = answer.groups[0]
            if code:
                raise for_code(code)
        except _NOT_YET:
            if asyncio.get_running_loop().time() > until:
                raise
        else:
            return coordinator, workers
    raise AssertionError("The pauses never end.")


async def measure(
    admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, prefix: str, services: Sequence[str], now: datetime
) -> list[PartitionLag]:
    """The lag of each partition that each of the services reads. `reader` is a consumer of no group; `now` is aware.

    Raises what aiokafka raises.
    """
    positions: dict[str, dict[TopicPartition, int]] = {}
    ends: dict[TopicPartition, int] = {}
    for service in services:
        handled = await committed(admin, prefix + service)
        partitions = await _read(admin, prefix, service, handled)
        first = await reader.beginning_offsets(partitions)
        ends |= await reader.end_offsets(partitions)
        positions[service] = {each: max(handled.get(each, 0), first[each]) for each in partitions}
    written = {
        service: await _oldest(reader, {p: at for p, at in offsets.items() if at < ends[p]})
        for service, offsets in positions.items()
    }
    return [
        PartitionLag(
            service,
            partition.topic,
            partition.partition,
            max(0, ends[partition] - offset),
            _age(now, written[service].get(partition)) if offset < ends[partition] else 0.0,
        )
        for service, offsets in positions.items()
        for partition, offset in offsets.items()
    ]


async def _read(
    admin: AIOKafkaAdminClient, prefix: str, service: str, handled: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    """All partitions of the topics that a group has read of, or is reading.

    A group that was never there is owed all that the catalogue lets it read, apart from the registers, which are followed outside the group.
    """
    topics = {partition.topic for partition in handled}
    for partitions in await members(admin, prefix + service):
        topics |= {partition.topic for partition in partitions}
    if not topics:
        topics = {prefix + topic.name for topic in CATALOGUE if service in topic.readers and topic is not REGISTERS}
    return sorted(
        TopicPartition(topic["topic"], part["partition"])
        for topic in await admin.describe_topics(sorted(topics))
        if topic["error_code"] == 0
        for part in topic["partitions"]
    )


async def _oldest(reader: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, datetime]:
    """When the first record at or after each position was written, as far as the broker tells within some seconds."""
    found: dict[TopicPartition, datetime] = {}
    if not positions:
        return found
    reader.assign(list(positions))
    for partition, offset in positions.items():
        reader.seek(partition, offset)
    loop = asyncio.get_running_loop()
    until = loop.time() + _FETCH_SECONDS
    while len(found) < len(positions) and loop.time() < until:
        missing = [partition for partition in positions if partition not in found]
        batches: Mapping[TopicPartition, Sequence[Any]] = await reader.getmany(*missing, timeout_ms=200)
        for partition, records in batches.items():
            found.setdefault(partition, time_of(records[0].timestamp))
    return found


def _age(now: datetime, written: datetime | None) -> float | None:
    return None if written is None else max(0.0, (now - written).total_seconds())

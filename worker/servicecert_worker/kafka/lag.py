"""The services' consumer lag in messages and seconds, measured from outside, whether workers run or not.

Seconds are the age of the oldest unhandled record, by its producer's clock.
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
    TopicAuthorizationFailedError,
    for_code,
)
from servicecert_schemas.topics import CATALOGUE, FOLLOWED

from ..faults import backoff
from ..runtime.record import time_of
from .internals import assigned_to

_FETCH_SECONDS = 10.0
_COORDINATOR_SECONDS = 15.0
_COORDINATOR_NOT_READY = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """The lag of a partition.

    `seconds` is 0 without lag, None if the oldest unhandled record was not read in time, or may not be read.
    """

    group: str
    topic: str
    partition: int
    messages: int
    seconds: float | None


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """Return a group's committed offsets by partition. Raises what aiokafka raises."""
    coordinator, _ = await _describe_group(admin, group)
    offsets = await admin.list_consumer_group_offsets(group, coordinator)
    return {partition: meta.offset for partition, meta in offsets.items()}


async def members(admin: AIOKafkaAdminClient, group: str) -> list[set[TopicPartition]]:
    """Return the partitions of each running worker of a group. Raises what aiokafka raises."""
    _, workers = await _describe_group(admin, group)
    return [assigned_to(worker[4]) for worker in workers]


async def _describe_group(admin: AIOKafkaAdminClient, group: str) -> tuple[int, Sequence[Any]]:
    """Return the id of a group's coordinator, and the group's members. Raises what aiokafka raises.

    Retries for 15 s: after a broker's death there is no coordinator for a moment, and a new one has to load its state.
    """
    until = asyncio.get_running_loop().time() + _COORDINATOR_SECONDS
    async for _ in backoff(longest=1.0):
        try:
            coordinator = await admin.find_coordinator(group)
            (answer,) = await admin.describe_consumer_groups([group], coordinator)
            code, _, _, _, _, workers, *_ = answer.groups[0]
            if code:
                raise for_code(code)
        except _COORDINATOR_NOT_READY:
            if asyncio.get_running_loop().time() > until:
                raise
        else:
            return coordinator, workers
    raise AssertionError("The pauses never end.")


async def measure(
    admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, prefix: str, services: Sequence[str], now: datetime
) -> list[PartitionLag]:
    """Return the lag of each partition that the services read. `reader` is a consumer without a group; `now` is aware.

    Raises what aiokafka raises.
    """
    positions: dict[str, dict[TopicPartition, int]] = {}
    ends: dict[TopicPartition, int] = {}
    for service in services:
        handled = await committed(admin, prefix + service)
        partitions = await _partitions_read(admin, prefix, service, handled)
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


async def _partitions_read(
    admin: AIOKafkaAdminClient, prefix: str, service: str, handled: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    """Return all partitions of the topics that a group has read or is reading.

    For a group that never existed these are the catalogue's topics for the service, without those that services follow
    outside their groups.
    """
    topics = {partition.topic for partition in handled}
    for partitions in await members(admin, prefix + service):
        topics |= {partition.topic for partition in partitions}
    if not topics:
        topics = {prefix + topic.name for topic in CATALOGUE if service in topic.readers and topic not in FOLLOWED}
    return sorted(
        TopicPartition(topic["topic"], part["partition"])
        for topic in await admin.describe_topics(sorted(topics))
        if topic["error_code"] == 0
        for part in topic["partitions"]
    )


async def _oldest(reader: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, datetime]:
    """Return the time of the first record at or after each position, for partitions that answer within 10 s."""
    written: dict[TopicPartition, datetime] = {}
    if not positions:
        return written
    reader.assign(list(positions))
    for partition, offset in positions.items():
        reader.seek(partition, offset)
    loop = asyncio.get_running_loop()
    until = loop.time() + _FETCH_SECONDS
    while len(written) < len(positions) and loop.time() < until:
        missing = [partition for partition in positions if partition not in written]
        try:
            batches: Mapping[TopicPartition, Sequence[Any]] = await reader.getmany(*missing, timeout_ms=200)
        except TopicAuthorizationFailedError as fault:
            positions = {partition: at for partition, at in positions.items() if partition.topic != fault.args[0]}
            continue
        for partition, records in batches.items():
            written.setdefault(partition, time_of(records[0].timestamp))
    return written


def _age(now: datetime, written: datetime | None) -> float | None:
    return None if written is None else max(0.0, (now - written).total_seconds())

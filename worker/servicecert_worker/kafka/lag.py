"""The services' consumer lag in messages and seconds, measured from outside, whether workers run or not.

Seconds are the age of the oldest unhandled record, by its producer's clock.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, Topic

from ..faults import backoff, with_timeout
from ..runtime.record import time_of
from .internals import assigned_to

_ANSWER_SECONDS = 10.0
_FIRST_STEP_MS = 1_000
_AHEAD_MS = 86_400_000
"""Producers' clocks may be ahead of ours."""
_COORDINATOR_SECONDS = 15.0
_COORDINATOR_NOT_READY = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """The lag of a partition.

    `seconds` is 0 without lag, None if it is not known when the oldest unhandled record was written. `offset` is the
    next to handle, `end` the partition's end, `member` the client id of the worker that has the partition, if any.
    """

    group: str
    topic: str
    partition: int
    messages: int
    seconds: float | None
    offset: int
    end: int
    member: str | None


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """Return a group's committed offsets by partition. Raises what aiokafka raises."""
    coordinator, _ = await _describe_group(admin, group)
    offsets = await admin.list_consumer_group_offsets(group, coordinator)
    return {partition: meta.offset for partition, meta in offsets.items()}


async def members(admin: AIOKafkaAdminClient, group: str) -> list[set[TopicPartition]]:
    """Return the partitions of each running worker of a group. Raises what aiokafka raises."""
    _, workers = await _describe_group(admin, group)
    return [assigned_to(worker[4]) for worker in workers]


async def owners_of(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, str]:
    """Return the client id of the worker that has each partition. Raises what aiokafka raises."""
    _, workers = await _describe_group(admin, group)
    return {partition: worker[1] for worker in workers for partition in assigned_to(worker[4])}


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
    """Return the lag of each partition that the services owe to read, whether they ever did. `now` is aware.

    `reader` is a consumer without a group. No record is read. Raises what aiokafka raises.
    """
    return await LagMeter(admin, reader, prefix).measure(services, now)


class LagMeter:
    """Measures the services' lag again and again. It remembers when the oldest records were written."""

    def __init__(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, prefix: str) -> None:
        self._admin = admin
        self._reader = reader
        self._prefix = prefix
        self._written: dict[tuple[TopicPartition, int], datetime] = {}

    async def measure(self, services: Sequence[str], now: datetime) -> list[PartitionLag]:
        """Return the lag of each partition that the services owe to read. Raises what aiokafka raises."""
        found: list[PartitionLag] = []
        kept: dict[tuple[TopicPartition, int], datetime] = {}
        for service in services:
            group = self._prefix + service
            partitions = await self._owed(service)
            handled = await committed(self._admin, group)
            owners = await owners_of(self._admin, group)
            first = await self._reader.beginning_offsets(partitions)
            ends = await self._reader.end_offsets(partitions)
            offsets = {each: max(handled.get(each, 0), first[each]) for each in partitions}
            waiting = {each: offset for each, offset in offsets.items() if offset < ends[each]}
            new = {each: offset for each, offset in waiting.items() if (each, offset) not in self._written}
            known = self._written | {(each, new[each]): at for each, at in (await _written(self._reader, new)).items()}
            kept |= {(each, offset): known[each, offset] for each, offset in waiting.items() if (each, offset) in known}
            found += [
                PartitionLag(
                    service,
                    each.topic,
                    each.partition,
                    max(0, ends[each] - offset),
                    _age(now, kept.get((each, offset))) if each in waiting else 0.0,
                    offset,
                    ends[each],
                    owners.get(each),
                )
                for each, offset in offsets.items()
            ]
        self._written = kept
        return found

    async def _owed(self, service: str) -> list[TopicPartition]:
        """Return all partitions of the topics that a service's group reads, by the catalogue."""
        topics = [self._prefix + topic.name for topic in read_by(service)]
        return sorted(
            TopicPartition(topic["topic"], part["partition"])
            for topic in await self._admin.describe_topics(topics)
            if topic["error_code"] == 0
            for part in topic["partitions"]
        )


def read_by(service: str) -> list[Topic]:
    """Return the topics that a service reads in its group: not those that it follows outside it."""
    return [topic for topic in CATALOGUE if service in topic.readers and topic not in FOLLOWED]


async def _written(reader: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, datetime]:
    """Return when the record at each offset was written, by the broker's index of timestamps.

    It asks for the first record from a moment on: with moments further and further back until that record is not after
    the one looked for, then between the last two. A partition that does not answer is left out.
    """
    start = int(datetime.now(UTC).timestamp() * 1000) + _AHEAD_MS
    low = dict.fromkeys(positions, 0)
    high = dict.fromkeys(positions, start)
    asked = dict.fromkeys(positions, start - _AHEAD_MS - _FIRST_STEP_MS)
    found: dict[TopicPartition, int] = {}
    step = _FIRST_STEP_MS
    while asked:
        answers = await with_timeout(_ANSWER_SECONDS, reader.offsets_for_times(dict(asked)))
        step *= 2
        for each, moment in tuple(asked.items()):
            answer = answers.get(each)
            if answer is not None and answer.offset == positions[each]:
                found[each] = answer.timestamp
                del asked[each]
                continue
            if answer is None or answer.offset > positions[each]:
                high[each] = moment
            else:
                low[each] = moment
            if high[each] - low[each] <= 1:
                found[each] = low[each]
                del asked[each]
            else:
                asked[each] = max(low[each] + 1, high[each] - step) if not low[each] else (low[each] + high[each]) // 2
    return {each: time_of(moment) for each, moment in found.items()}


def _age(now: datetime, written: datetime | None) -> float | None:
    return None if written is None else max(0.0, (now - written).total_seconds())

"""The services' consumer lag in messages and seconds, measured from outside, whether workers run or not.

Seconds are the age of the oldest unhandled record, by its producer's clock.
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence, Set
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

from ..core.faults import backoff, with_timeout
from ..core.record import time_of
from .internals import assigned_to

_ANSWER_SECONDS = 10.0
_FIRST_STEP_MS = 1_000
_AHEAD_MS = 86_400_000
"""Producers' clocks may be ahead of ours."""
_COORDINATOR_SECONDS = 15.0
MOST_FOREIGN = 50
"""The most groups of others that are looked at."""
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


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group at one moment: the partitions of each running member, and the lag of each partition it owes."""

    name: str
    members: tuple[int, ...]
    lags: tuple[PartitionLag, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A cluster at one moment: groups, the brokers that answer, and each partition's first offset, end and copies.

    `out_of_sync` has the partitions of which a copy is missing or behind.
    """

    groups: tuple[Group, ...]
    brokers: int
    first: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]
    out_of_sync: frozenset[TopicPartition]


async def measure(
    admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, prefix: str, services: Sequence[str], now: datetime
) -> list[PartitionLag]:
    """Return the lag of each partition that the services owe to read, whether they ever did. `now` is aware.

    `reader` is a consumer without a group. No record is read. Raises what aiokafka raises.
    """
    look = await LagMeter(admin, reader, prefix).look(read_by(services), now)
    return [lag for group in look.groups for lag in group.lags]


class LagMeter:
    """Looks at groups again and again. It remembers when the oldest unhandled records were written."""

    def __init__(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, prefix: str) -> None:
        self._admin = admin
        self._reader = reader
        self._prefix = prefix
        self._written: dict[tuple[TopicPartition, int], datetime] = {}

    async def look(
        self,
        reads: Mapping[str, Sequence[Topic]],
        now: datetime,
        topics: Sequence[Topic] = (),
        foreign: re.Pattern[str] | None = None,
    ) -> Look:
        """Look at the services' groups, at more `topics`, and at the groups whose whole names match `foreign`.

        `reads` has the topics that each service owes to read; a foreign group owes what it has committed once. Raises
        what aiokafka raises.
        """
        owed = {
            self._prefix + service: {self._prefix + topic.name for topic in topics} for service, topics in reads.items()
        }
        names = set().union(*owed.values(), (self._prefix + topic.name for topic in topics))
        committed_by = {
            group: await _group(self._admin, group) for group in (*owed, *await self._foreign(owed, foreign))
        }
        names |= {each.topic for group in committed_by.values() for each in group.offsets}
        described = [each for each in await self._admin.describe_topics(sorted(names)) if each["error_code"] == 0]
        parts = {
            TopicPartition(each["topic"], part["partition"]): part for each in described for part in each["partitions"]
        }
        first = await self._reader.beginning_offsets(list(parts)) if parts else {}
        ends = await self._reader.end_offsets(list(parts)) if parts else {}
        positions = {
            (name, each): max(group.offsets.get(each, 0), first[each])
            for name, group in committed_by.items()
            for each in sorted(parts)
            if (each.topic in owed[name] if name in owed else each in group.offsets)
        }
        waiting = {(each, offset) for (_, each), offset in positions.items() if offset < ends[each]}
        await self._remember(waiting)
        found: dict[str, list[PartitionLag]] = {name: [] for name in committed_by}
        for (name, each), offset in positions.items():
            written = self._written.get((each, offset))
            age = (
                0.0 if offset >= ends[each] else None if written is None else max(0.0, (now - written).total_seconds())
            )
            found[name].append(
                PartitionLag(
                    name.removeprefix(self._prefix) if name in owed else name,
                    each.topic,
                    each.partition,
                    max(0, ends[each] - offset),
                    age,
                    offset,
                    ends[each],
                    committed_by[name].owners.get(each),
                )
            )
        return Look(
            tuple(Group(name, committed_by[name].members, tuple(found[name])) for name in committed_by),
            len((await self._admin.describe_cluster())["brokers"]),
            first,
            ends,
            frozenset(each for each, part in parts.items() if len(part["isr"]) < len(part["replicas"])),
        )

    async def _foreign(self, owed: Collection[str], pattern: re.Pattern[str] | None) -> list[str]:
        if pattern is None:
            return []
        groups = {name for name, *_ in await self._admin.list_consumer_groups()}
        return sorted(name for name in groups - set(owed) if pattern.fullmatch(name))[:MOST_FOREIGN]

    async def _remember(self, waiting: Set[tuple[TopicPartition, int]]) -> None:
        """Ask when these records were written, unless it is known; forget the others."""
        self._written = {place: at for place, at in self._written.items() if place in waiting}
        new = waiting - self._written.keys()
        # Several groups may stand at different records of a partition, and each question is about one.
        while new:
            asked = dict(new)
            for each, at in (await written(self._reader, asked)).items():
                self._written[each, asked[each]] = at
            new -= set(asked.items())


@dataclass(frozen=True, slots=True)
class _Committed:
    offsets: Mapping[TopicPartition, int]
    owners: Mapping[TopicPartition, str]
    members: tuple[int, ...]


async def _group(admin: AIOKafkaAdminClient, group: str) -> _Committed:
    coordinator, workers = await _describe_group(admin, group)
    offsets = await admin.list_consumer_group_offsets(group, coordinator)
    assigned = [(worker[1], assigned_to(worker[4])) for worker in workers]
    return _Committed(
        {partition: meta.offset for partition, meta in offsets.items() if meta.offset >= 0},
        {partition: client for client, partitions in assigned for partition in partitions},
        tuple(len(partitions) for _, partitions in assigned),
    )


def read_by(services: Sequence[str]) -> Mapping[str, Sequence[Topic]]:
    """Return the topics that services read in their groups, by the catalogue: not those that they follow outside."""
    return {
        service: [topic for topic in CATALOGUE if service in topic.readers and topic not in FOLLOWED]
        for service in services
    }


async def written(reader: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, datetime]:
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

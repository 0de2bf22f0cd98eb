"""The services' consumer lag in messages and seconds, measured from outside, whether workers run or not.

Seconds are the age of the oldest unhandled record, by its producer's clock.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, Topic
from servicecert_worker.core.faults import with_timeout
from servicecert_worker.core.record import time_of
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.internals import GroupMember, client_of

from ..connections import kafka
from . import groups

_ANSWER_SECONDS = 10.0
_FIRST_STEP_MS = 1_000
_AHEAD_MS = 86_400_000
"""Producers' clocks may be ahead of ours."""
MOST_FOREIGN = 50
"""The most groups of others that are looked at."""


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


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group at one moment: its running members, and the lag of each partition it owes.

    `lost` has how many records of a partition were deleted before they were handled.
    """

    name: str
    members: Sequence[GroupMember]
    lags: Sequence[PartitionLag]
    lost: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Look:
    """A cluster at one moment: groups, the brokers that answer, and each partition's first offset, end and copies.

    `out_of_sync` has the partitions of which a copy is missing or behind.
    """

    groups: Sequence[Group]
    brokers: int
    first: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]
    out_of_sync: frozenset[TopicPartition]

    @property
    def lags(self) -> list[PartitionLag]:
        return [lag for group in self.groups for lag in group.lags]


class LagMeter:
    """Looks at groups again and again. It remembers when the oldest unhandled records were written.

    `reader` is a consumer without a group. No record is read.
    """

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

        `reads` has the topics that each service owes to read; a foreign group owes what it has committed once. `now` is
        aware. Raises what aiokafka raises.
        """
        owed = {
            self._prefix + service: {self._prefix + topic.name for topic in topics} for service, topics in reads.items()
        }
        names = set().union(*owed.values(), (self._prefix + topic.name for topic in topics))
        members, committed = {}, {}
        for group in (*owed, *await self._foreign(owed, foreign)):
            members[group] = await groups.members(self._admin, group)
            committed[group] = await groups.committed(self._admin, group)
            names |= {each.topic for each in committed[group]}
        described = [each for each in await self._admin.describe_topics(sorted(names)) if each["error_code"] == 0]
        parts = {
            TopicPartition(each["topic"], part["partition"]): part for each in described for part in each["partitions"]
        }
        # A client that does not know all topics asks for one after another, with a pause after each.
        await asyncio.gather(*(client_of(self._reader).add_topic(each["topic"]) for each in described))
        first = await self._reader.beginning_offsets(list(parts)) if parts else {}
        ends = await self._reader.end_offsets(list(parts)) if parts else {}
        positions = {
            name: {
                each: max(offsets.get(each, 0), first[each])
                for each in sorted(parts)
                if (each.topic in owed[name] if name in owed else each in offsets)
            }
            for name, offsets in committed.items()
        }
        every = {place for each in positions.values() for place in each.items()}
        await self._remember({(each, offset) for each, offset in every if offset < ends[each]})

        def of(name: str) -> Group:
            owners = {partition: member.client_id for member in members[name] for partition in member.partitions}
            lags = [
                PartitionLag(
                    name.removeprefix(self._prefix) if name in owed else name,
                    each.topic,
                    each.partition,
                    max(0, ends[each] - offset),
                    self._age(each, offset, now) if offset < ends[each] else 0.0,
                    offset,
                    ends[each],
                    owners.get(each),
                )
                for each, offset in positions[name].items()
            ]
            lost = {each: at - committed[name].get(each, at) for each, at in positions[name].items()}
            return Group(name, members[name], lags, {each: records for each, records in lost.items() if records})

        return Look(
            [of(name) for name in positions],
            len((await self._admin.describe_cluster())["brokers"]),
            first,
            ends,
            frozenset(each for each, part in parts.items() if len(part["isr"]) < len(part["replicas"])),
        )

    def _age(self, partition: TopicPartition, offset: int, now: datetime) -> float | None:
        written = self._written.get((partition, offset))
        return None if written is None else max(0.0, (now - written).total_seconds())

    async def _foreign(self, owed: Collection[str], pattern: re.Pattern[str] | None) -> list[str]:
        if pattern is None:
            return []
        existing = {name for name, *_ in await self._admin.list_consumer_groups()}
        return sorted(name for name in existing - set(owed) if pattern.fullmatch(name))[:MOST_FOREIGN]

    async def _remember(self, waiting: Set[tuple[TopicPartition, int]]) -> None:
        self._written = {place: at for place, at in self._written.items() if place in waiting}
        new = waiting - self._written.keys()
        # Several groups may stand at different records of a partition, and each question is about one.
        while new:
            asked = dict(new)
            for each, at in (await written(self._reader, asked)).items():
                self._written[each, asked[each]] = at
            new -= set(asked.items())


@asynccontextmanager
async def meter(cluster: Cluster) -> AsyncIterator[LagMeter]:
    """Open a meter. Raises OperatorError if the broker does not answer, at the start or later."""
    async with kafka.admin(cluster) as admin, kafka.reader(cluster) as reader:
        yield LagMeter(admin, reader, cluster.prefix)


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

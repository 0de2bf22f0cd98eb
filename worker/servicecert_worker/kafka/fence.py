"""Compares a service's database with its topics before anything is decided: see core/unknown.py.

What it has written is in outputs.py. Of what it reads, the newest event before its group's offset in each partition is
in the inbox, or parked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, TypeAlias

from aiokafka import TopicPartition

from ..core.clock import machine_clock
from ..core.decider import Fetch, Service
from ..core.faults import OperatorError, with_timeout
from ..core.record import Record, arrive, is_junk, is_relevant, possible_ids
from ..core.signatures import Verifier
from ..core.unknown import Seen, by_topic, newest, unknown_inputs, verdict
from ..storage import QUERIES
from .cluster import Cluster
from .outputs import Ends, Outputs
from .reading import PartReader, part_reader

Execute: TypeAlias = Callable[..., Awaitable[object]]

_SECONDS = 60.0
_LOOK_BACK = (5, 100)
"""How far before a group's offset an event is looked for that the service handles: mostly it is near."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fence:
    """The comparison for one service. `inbox_age` is how long its inbox keeps an event."""

    cluster: Cluster
    service: Service[Any, Any]
    verifier: Verifier
    inbox_age: timedelta

    async def require_known(self, fetch: Fetch) -> Ends:
        """Return the ends of the topics that the service writes: before them the database knows everything.

        `fetch` asks the database.

        Raises `OperatorError` if it does not, and what aiokafka and asyncpg raise.
        """
        name = self.service.name
        outputs = Outputs(self.cluster, name, self.verifier, self.service.tables.announced)

        async def compare() -> tuple[str | None, Ends]:
            async with part_reader(self.cluster) as reader:
                unknown, ends = await outputs.unknown(reader, fetch)
                found = [*by_topic(unknown, own=True), *by_topic(await self._inputs(reader, fetch), own=False)]
            return verdict(name, found), ends

        sentence, ends = await with_timeout(_SECONDS, compare())
        if sentence is not None:
            raise OperatorError(sentence, exit_code=65)
        return ends

    async def note(self, execute: Execute, ends: Ends) -> None:
        """Note in the database that it knows everything before these ends. Only the leader may, see `Leader`."""
        await note(
            execute, {(each.topic.removeprefix(self.cluster.prefix), each.partition): ends[each] for each in ends}
        )

    async def _inputs(self, reader: PartReader, fetch: Fetch) -> list[Seen]:
        partitions = await reader.partitions([self.cluster.name(topic) for topic in self.service.reads])
        committed = await reader.committed(self.cluster.group(self.service.name), partitions)
        unknown = await self._not_handled(fetch, await self._handled(reader, committed))
        if not unknown:
            return []
        # Something is wrong: count.
        wrong = {TopicPartition(self.cluster.prefix + each.topic, each.partition) for each in unknown}
        parts = {each: (max(0, committed[each] - _LOOK_BACK[-1]), committed[each]) for each in wrong}
        return await self._not_handled(fetch, self._relevant(await reader.read(parts)))

    async def _handled(self, reader: PartReader, committed: Ends) -> list[Seen]:
        """Return the last relevant event of each partition before its offset, if one is near."""
        found: list[Seen] = []
        ends: Mapping[TopicPartition, int] = committed
        for back in _LOOK_BACK:
            parts = {each: (max(0, committed[each] - back), end) for each, end in ends.items() if end > 0}
            new = self._newest_relevant(await reader.read(parts))
            found += new
            done = {TopicPartition(self.cluster.prefix + each.topic, each.partition) for each in new}
            ends = {each: parts[each][0] for each in parts if each not in done}
        return newest(found)

    def _newest_relevant(self, records: Iterable[Record]) -> list[Seen]:
        """Return the last relevant event of each partition: no other one is decoded."""
        last: dict[tuple[str, int], Seen] = {}
        for record in sorted(records, key=lambda record: record.offset, reverse=True):
            place = record.topic, record.partition
            if place not in last and (seen := self._relevant([record])):
                (last[place],) = seen
        return list(last.values())

    def _relevant(self, records: Iterable[Record]) -> list[Seen]:
        """Return those that the service handles, and that are not so old that its inbox may have forgotten them.

        Junk proves nothing about the database: before its writer's key was removed it may have been an event that the
        service ignores.
        """
        young = machine_clock() - self.inbox_age + _DAY
        compacted = {self.cluster.name(topic) for topic in self.service.reads if topic.compacted}
        found = []
        for record in records:
            if record.written > young:
                arrival = arrive(record, self.verifier)
                if not is_junk(arrival) and is_relevant(arrival, self.service.rules.is_relevant, compacted):
                    topic = record.topic.removeprefix(self.cluster.prefix)
                    ids, at = frozenset(possible_ids(arrival)), record.written.astimezone(UTC)
                    found.append(Seen(topic, record.partition, record.offset, ids, at))
        return found

    async def _not_handled(self, fetch: Fetch, handled: Sequence[Seen]) -> list[Seen]:
        if not handled:
            return []
        rows = await fetch(QUERIES["known_inputs"], [id for each in handled for id in each.ids])
        unknown = unknown_inputs(handled, {row[0] for row in rows})
        if not unknown:
            return []
        # A record that was parked as an outsider's has another id once its writer's key is pinned.
        places = [(self.cluster.prefix + each.topic, each.partition, each.offset) for each in unknown]
        rows = await fetch(QUERIES["parked_places"], *map(list, zip(*places, strict=True)))
        parked = {tuple(row) for row in rows}
        return [each for each, place in zip(unknown, places, strict=True) if place not in parked]


async def note(execute: Execute, reached: Mapping[tuple[str, int], int]) -> None:
    """Note up to which offset partitions are written, by the catalogue's name of the topic and their number."""
    topics, partitions = [topic for topic, _ in reached], [number for _, number in reached]
    await execute(QUERIES["written_to"], topics, partitions, list(reached.values()))

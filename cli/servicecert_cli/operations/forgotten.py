"""What a service's topics have and its tables have forgotten: records that it read, and events that it published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition
from asyncpg import Pool
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.headers import SEQUENCE
from servicecert_schemas.topics import AUDIT_CHECKPOINTS
from servicecert_worker.audit.chain import key_of, position_of
from servicecert_worker.core.decider import Service
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from servicecert_worker.core.record import Arrival, Record, arrive, is_junk, is_relevant, possible_ids
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.outputs import Ends, Outputs, written_topics
from servicecert_worker.kafka.reading import PartReader
from servicecert_worker.storage import QUERIES

_STEP = 200
_BEFORE = timedelta(minutes=10)
"""How long before the last decision an event may have been decided whose cause was known then."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The records of each partition that are not handled, and all that the service published around that time.

    `unknown` counts the published events that the tables do not know, by type; `expected` are the ids of those that are
    to be decided again, as far as the topics tell; `ends` are the ends of their topics.
    """

    partitions: tuple[Sequence[Record], ...]
    published: PublishedEvents
    unknown: Counter[str]
    expected: Collection[UUID]
    ends: Ends
    prefix: str

    @property
    def records(self) -> Counter[str]:
        """How many records of each topic are to be decided again."""
        return Counter(record.topic.removeprefix(self.prefix) for records in self.partitions for record in records)


class Comparison:
    """Compares a service's tables with its topics. Raises what aiokafka and asyncpg raise."""

    def __init__(self, service: Service[Any, Any], cluster: Cluster, verifier: Verifier, pool: Pool[Any]) -> None:
        self._service = service
        self._cluster = cluster
        self._verifier = verifier
        self._pool = pool

    async def forgotten(self, reader: PartReader) -> Forgotten:
        """Return what the topics have and the tables have forgotten."""
        since: datetime | None = await self._pool.fetchval(QUERIES["newest"])
        service = self._service
        outputs = Outputs(self._cluster, service.name, self._verifier, service.tables.announced)
        unknown, ends = await outputs.unknown(reader, self._pool.fetch)
        published, expected = await self._published(reader, outputs, ends, since)
        events = (published.get(id) for seen in unknown for id in seen.ids)
        types = Counter(event.data.TYPE for event in events if event is not None)
        return Forgotten(tuple(await self._inputs(reader)), published, types, expected, ends, self._cluster.prefix)

    async def _inputs(self, reader: PartReader) -> list[Sequence[Record]]:
        """Return the records of each partition after the last one that is known to be handled.

        A partition's records are handled in order: all before a handled one are handled. So it steps back, each time
        further, until it finds one.
        """
        partitions = await reader.partitions([self._cluster.name(topic) for topic in self._service.reads])
        ends = await reader.ends(partitions)
        found: dict[TopicPartition, Sequence[Record]] = {}
        step = _STEP
        while missing := [each for each in partitions if each not in found]:
            parts = {each: (max(0, ends[each] - step), ends[each]) for each in missing}
            read = _by_partition(await reader.read(parts))
            for each in missing:
                arrivals = [arrive(record, self._verifier) for record in read.get(each, ())]
                after = await self._after_known(arrivals)
                if after is not None or parts[each][0] == 0:
                    found[each] = [it.record for it in arrivals[after or 0 :] if self._is_relevant(it)]
            step *= 8
        return [found[each] for each in partitions]

    async def _after_known(self, arrivals: Sequence[Arrival]) -> int | None:
        """Return the place after the last record that is known to be handled; None if none of them is.

        The second copy of an event has a known id, too, and says nothing about what is before it: the audit has the
        position of the copy that was handled. Where it has none, keys were pinned differently: then the ids count.
        """
        places = {id: place for place, arrival in enumerate(arrivals) for id in possible_ids(arrival)}
        rows = await self._pool.fetch(QUERIES["known_inputs"], list(places))
        ids = {row["event_id"] for row in rows}
        known = [place for place, arrival in enumerate(arrivals) if ids & possible_ids(arrival)]
        audited = [(place, key) for place in known for key in self._audited_keys(arrivals[place])]
        handled = await self._pool.fetch(
            QUERIES["handled_positions"],
            [place for place, _ in audited],
            [key for _, key in audited],
            [position_of(arrivals[place].record) for place, _ in audited],
        )
        return max((row["place"] + 1 for row in handled), default=max(known, default=-1) + 1 or None)

    def _audited_keys(self, arrival: Arrival) -> set[str]:
        """Return the keys under which the audit may have a record: its place, if its writer's key was not pinned."""
        event = self._event(arrival.record) if is_junk(arrival) else None
        return {key_of(arrival)} if event is None else {key_of(arrival), event.data.key()}

    def _is_relevant(self, arrival: Arrival) -> bool:
        """Return whether a record is decided again. One whose writer's key is not pinned is judged by what it says."""
        if is_junk(arrival) and (event := self._event(arrival.record)) is not None:
            return self._service.rules.is_relevant(event.data)
        compacted = {self._cluster.name(topic) for topic in self._service.reads if topic.compacted}
        return is_relevant(arrival, self._service.rules.is_relevant, compacted)

    async def _published(
        self, reader: PartReader, outputs: Outputs, ends: Ends, since: datetime | None
    ) -> tuple[PublishedEvents, Collection[UUID]]:
        """Return what the service published from a while before its last decision on, and the ids of what is forgotten.

        All that is forgotten is among it, also when a replay was interrupted, whose decisions are the last ones.
        """
        topics = {self._cluster.name(topic): topic for topic in written_topics(self._service.name)}
        del topics[self._cluster.name(AUDIT_CHECKPOINTS)]
        partitions = [each for each in ends if each.topic in topics]
        rows = await self._pool.fetch(QUERIES["written"])
        written = {
            TopicPartition(self._cluster.prefix + row["topic"], row["partition"]): row["next_offset"] for row in rows
        }
        starts: Mapping[TopicPartition, int] = dict.fromkeys(partitions, 0)
        if since is not None:
            at = int((since - _BEFORE).timestamp() * 1000)
            starts = {**ends, **await reader.at(dict.fromkeys(partitions, at))}
        parts = {each: (min(starts[each], written.get(each, ends[each])), ends[each]) for each in partitions}
        published = PublishedEvents()
        expected: set[UUID] = set()
        for record in await reader.read(parts):
            if outputs.is_own(record) and (event := self._event(record)) is not None:
                partition = TopicPartition(record.topic, record.partition)
                if event.id not in published and record.offset >= written.get(partition, ends[partition]):
                    expected.add(event.id)
                published.add(event)
        waiting = {row["event_id"] for row in await self._pool.fetch("select event_id from outbox")}
        return published, expected - waiting

    def _event(self, record: Record) -> PublishedEvent | None:
        """Return the event of the service's own record; None if this version does not know it."""
        topic = record.topic.removeprefix(self._cluster.prefix)
        try:
            envelope, data = decode(topic, record.key, record.headers, record.value)
        except Undecodable:
            return None
        sequence = next((raw for name, raw in record.headers if name == SEQUENCE), None)
        place = int(sequence) if sequence is not None and sequence.isdigit() else 0
        return PublishedEvent(envelope.id, data, envelope.time, place)


def _by_partition(records: Iterable[Record]) -> Mapping[TopicPartition, list[Record]]:
    found: dict[TopicPartition, list[Record]] = {}
    for record in records:
        found.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    return found

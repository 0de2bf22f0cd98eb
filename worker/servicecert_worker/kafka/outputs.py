"""What a service has written to its topics that its database does not know: see core/unknown.py.

The database knows up to which offset it has written each partition of its topics (`written`): the relay notes it with
the deletion of what the broker acknowledged. So a record of the service beyond it is in the outbox, or unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

from aiokafka import TopicPartition
from servicecert_schemas.codec import Undecodable, decode, read_envelope
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, CATALOGUE, Topic, parked_topic

from ..core.decider import Event, Fetch
from ..core.record import Record
from ..core.signatures import Verifier
from ..core.unknown import Seen, unknown_outputs
from ..storage import QUERIES
from .cluster import Cluster
from .reading import PartReader

_MOST = 5_000
"""The most records of a partition that are looked at: others write much to a topic to which a service writes little."""

_SKEW_MS = 3_600_000
"""How far a copy's time may be after that of the first one: each relay writes no later time than its own clock's, and
a broker takes none that is more than an hour ahead of its own."""

Ends = Mapping[TopicPartition, int]


def written_topics(service: str) -> list[Topic]:
    """Return the topics that a service writes."""
    catalogued = (topic for topic in CATALOGUE if service in topic.writers)
    topics = (*catalogued, AUDIT_CHECKPOINTS, parked_topic(service))
    return list({topic.name: topic for topic in topics}.values())


@dataclass(frozen=True, slots=True)
class Outputs:
    """The topics that a service writes, as far as this user may read them. `announced` is its own, see `Service`."""

    cluster: Cluster
    service: str
    verifier: Verifier
    announced: Callable[[Fetch, Sequence[Event]], Awaitable[Collection[UUID]]] | None = None
    may_read: Callable[[str], bool] = bool

    async def unknown(self, reader: PartReader, fetch: Fetch) -> tuple[list[Seen], Ends]:
        """Return what the database does not know, and the ends of the topics: before them it knows all the rest.

        Raises what aiokafka and asyncpg raise.
        """
        prefix, rows = self.cluster.prefix, await fetch(QUERIES["written"])
        written = {TopicPartition(prefix + row["topic"], row["partition"]): row["next_offset"] for row in rows}
        topics = {each.topic for each in written} | {prefix + topic.name for topic in written_topics(self.service)}
        readable = [topic for topic in sorted(topics) if self.may_read(topic.removeprefix(prefix))]
        ends = await reader.ends(await reader.partitions(readable))
        # A partition without a row was not written since this table exists, or by an older version: nothing to compare.
        parts = {each: (max(written[each], ends[each] - _MOST), ends[each]) for each in ends if each in written}
        own = {self._seen(record): record for record in await reader.read(parts) if self.is_own(record)}
        if not own:
            return [], ends
        known = await self._published(fetch, list(own)) | await self._announced(fetch, list(own.values()))
        unknown = unknown_outputs(own, known, ())
        if unknown:
            earlier = await self._earlier(reader, [own[each] for each in unknown], written)
            unknown = unknown_outputs(unknown, (), earlier)
        return unknown, ends

    def is_own(self, record: Record) -> bool:
        """Return whether a turn of this service decided it. Commands that sign with its key name another source."""
        try:
            source = read_envelope(record.key, record.headers).source
        except Undecodable:
            return False
        return source == f"/{self.service}" and self.verifier.is_from(
            self.service, record.topic, record.key, record.headers, record.value
        )

    def _seen(self, record: Record) -> Seen:
        topic = record.topic.removeprefix(self.cluster.prefix)
        return Seen(topic, record.partition, record.offset, frozenset({_id(record)}), record.written.astimezone(UTC))

    async def _published(self, fetch: Fetch, own: Sequence[Seen]) -> set[UUID]:
        """Return the ids of those that wait in the outbox, or were noted meanwhile: both in one look."""
        rows = await fetch(
            QUERIES["known_outputs"],
            [id for each in own for id in each.ids],
            [each.topic for each in own],
            [each.partition for each in own],
            [each.offset for each in own],
        )
        return {row[0] for row in rows}

    async def _announced(self, fetch: Fetch, own: Sequence[Record]) -> set[UUID]:
        """Return the ids of the announcements that the service's tables know."""
        if self.announced is None:
            return set()
        events = []
        for record in own:
            topic = record.topic.removeprefix(self.cluster.prefix)
            with suppress(Undecodable):
                envelope, data = decode(topic, record.key, record.headers, record.value)
                events.append(Event(envelope.id, envelope.partitionkey, data, envelope.time))
        return set(await self.announced(fetch, events))

    async def _earlier(self, reader: PartReader, unknown: Sequence[Record], written: Ends) -> set[UUID]:
        """Return the ids of the service's events that the unknown ones may be copies of, by their times."""
        times: dict[TopicPartition, int] = {}
        for record in unknown:
            partition, at = (
                TopicPartition(record.topic, record.partition),
                int(record.written.timestamp() * 1000) - _SKEW_MS,
            )
            times[partition] = max(0, min(at, times.get(partition, at)))
        starts = await reader.at(times)
        parts = {each: (max(start, written[each] - _MOST), written[each]) for each, start in starts.items()}
        return {_id(record) for record in await reader.read(parts) if self.is_own(record)}


def _id(record: Record) -> UUID:
    return read_envelope(record.key, record.headers).id

"""Replays a service's topics into its tables: after a restore, or into an empty database.

Inputs are read from the first record of each partition on that the tables do not know; what the service published, from
a while before its last decision on.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from aiokafka import TopicPartition
from asyncpg import Pool
from servicecert_schemas.codec import Undecodable, decode, read_envelope
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, CATALOGUE, Topic
from servicecert_worker.audit.chain import Chain
from servicecert_worker.decider import Change, Service
from servicecert_worker.domain.published import PublishedEvent, PublishedEvents
from servicecert_worker.faults import OperatorError
from servicecert_worker.kafka import lag
from servicecert_worker.kafka.source import record_of
from servicecert_worker.process.settings import WorkerSettings
from servicecert_worker.replay.replay import Replay, ReplayClock, Replayed
from servicecert_worker.runtime.record import Record, arrive
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.service_keys import read_key, read_public_keys
from servicecert_worker.signatures import Signer, Verifier
from servicecert_worker.storage import QUERIES, database

from ..connections import kafka
from .forgotten_audit import ForgottenAudit, forgotten_audit, store_checkpoints

_STEP = 200
_BEFORE = timedelta(minutes=10)
"""How long before the last decision an event may have been decided whose cause was known then."""


class ServiceModule(Protocol):
    """The module of a service."""

    NAME: str
    READS: tuple[Topic, ...]
    Settings: Any

    @property
    def open_service(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What the topics have and the tables do not know: records by partition, and events that the service published."""

    partitions: tuple[Sequence[Record], ...]
    published: PublishedEvents
    audit: ForgottenAudit

    @property
    def records(self) -> int:
        """How many records are to be replayed."""
        return sum(map(len, self.partitions))


@asynccontextmanager
async def opened(module: ServiceModule, settings: WorkerSettings) -> AsyncIterator[Replaying]:
    """Open the tables of a service none of whose workers runs. Raises OperatorError."""
    cluster, name = settings.cluster, module.NAME
    async with kafka.admin(cluster) as admin:
        if running := len(await lag.members(admin, cluster.group(name))):
            raise OperatorError(f"{running} workers of {name} are running: stop them first.", os.EX_TEMPFAIL)
    pool = await database.open_pool(settings.dsn, name)
    try:
        yield Replaying(module, settings, pool)
    finally:
        pool.terminate()


class Replaying:
    """A service, its tables and its topics."""

    def __init__(self, module: ServiceModule, settings: WorkerSettings, pool: Pool[Any]) -> None:
        self._module = module
        self._settings = settings
        self._pool = pool
        self._cluster = settings.cluster
        self._keys = read_public_keys(settings.service_keys)
        self._verifier = Verifier(self._keys, self._cluster.prefix)

    @asynccontextmanager
    async def service(self, clock: ReplayClock) -> AsyncIterator[Service[Any, Any]]:
        """Open the service with the replay's clock."""
        opening: AbstractAsyncContextManager[Service[Any, Any]] = self._module.open_service(
            self._module.Settings(), self._pool, clock
        )
        async with opening as service:
            yield service

    async def forgotten(self, service: Service[Any, Any]) -> Forgotten:
        """Return what the topics have and the tables do not know. Raises OperatorError."""
        since: datetime | None = await self._pool.fetchval(QUERIES["newest"])
        partitions: list[Sequence[Record]] = []
        for topic in service.reads:
            partitions += await self._unknown(topic)
        published = PublishedEvents()
        for topic in own_topics(service.name):
            await self._published(service.name, topic, since, published)
        audit = await forgotten_audit(self._pool, self._cluster, service.name, self._keys)
        return Forgotten(tuple(partitions), published, audit)

    async def replay(self, service: Service[Any, Any], clock: ReplayClock, forgotten: Forgotten) -> Replayed:
        """Decide again what the tables do not know. Raises OperatorError."""
        name = self._module.NAME
        await store_checkpoints(self._pool, forgotten.audit.checkpoints)
        facts = {**service.audited, "replays": forgotten.records, **forgotten.audit.facts}
        chain = Chain(name, facts, os.urandom)
        await chain.begin(self._pool, clock.now)
        signer = Signer(name, read_key(self._settings.service_key_file, name))
        known = await self._followed(service)

        def turns(replayed: Service[Any, Any]) -> Turns[Any, Any]:
            return Turns(replayed, self._pool, chain, signer, self._settings.parked_most)

        replay = Replay(service, self._pool, turns, self._verifier, clock, known, forgotten.published)
        return await replay.run(forgotten.partitions)

    async def _followed(self, service: Service[Any, Any]) -> Any:
        if service.snapshot is None:
            return None
        changes: list[Change] = []
        for topic in service.snapshot.topics:
            await kafka.read(self._cluster, topic, changes.append, verifier=self._verifier)
        return service.snapshot.apply(service.snapshot.empty, changes)

    async def _unknown(self, topic: Topic) -> list[Sequence[Record]]:
        """Return the records of each partition from the first one on that is not known to be handled.

        A partition's records are handled in order: all before a handled one are handled. So it steps back, each time
        twice as far, until it finds one.
        """
        name = self._cluster.name(topic)
        numbers = await kafka.partitions(self._cluster, topic)
        begins, ends = await self._bounds(name, numbers)
        found: dict[int, list[Record]] = {}
        step = _STEP
        open_ = set(numbers)
        while open_:
            first = {number: max(begins[number], ends[number] - step) for number in open_}
            read: dict[int, list[Record]] = {number: [] for number in open_}
            async with aclosing(kafka.records(self._cluster, topic, sorted(open_), first)) as records:
                async for record in records:
                    read[record.partition].append(record_of(record))
            for number in sorted(open_):
                after = await self._after_known(read[number])
                if after is not None or first[number] <= begins[number]:
                    found[number] = read[number][after or 0 :]
                    open_.discard(number)
            step *= 4
        return [found[number] for number in numbers]

    async def _after_known(self, records: Sequence[Record]) -> int | None:
        """Return the place after the last record that is known to be handled; None if none of them is."""
        ids = {arrive(record, self._verifier).id: place for place, record in enumerate(records)}
        known = await self._pool.fetch(QUERIES["known_inputs"], list(ids))
        return max((ids[row["event_id"]] + 1 for row in known), default=None)

    async def _published(self, service: str, topic: Topic, since: datetime | None, published: PublishedEvents) -> None:
        """Add what the service published to a topic."""
        first = {} if since is None else await self._offsets_at(topic, since - _BEFORE)
        source = f"/{service}"
        async with aclosing(kafka.records(self._cluster, topic, None, first)) as records:
            async for record in records:
                try:
                    if read_envelope(record.key, record.headers).source != source:
                        continue
                    self._verifier.verify(record.topic, record.key, record.headers, record.value)
                    envelope, data = decode(topic.name, record.key, record.headers, record.value)
                except Undecodable:
                    continue
                published.add(PublishedEvent(envelope.id, data, envelope.time))

    async def _bounds(self, name: str, numbers: Sequence[int]) -> tuple[Mapping[int, int], Mapping[int, int]]:
        places = [TopicPartition(name, number) for number in numbers]
        async with kafka.reader(self._cluster) as reader:
            begins, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
        return (
            {place.partition: offset for place, offset in begins.items()},
            {place.partition: offset for place, offset in ends.items()},
        )

    async def _offsets_at(self, topic: Topic, moment: datetime) -> Mapping[int, int]:
        """Return the first offset of each partition that was written at a moment or later, else its end."""
        numbers = await kafka.partitions(self._cluster, topic)
        places = [TopicPartition(self._cluster.name(topic), number) for number in numbers]
        async with kafka.reader(self._cluster) as reader:
            found = await reader.offsets_for_times(dict.fromkeys(places, int(moment.timestamp() * 1000)))
            ends = await reader.end_offsets(places)
        return {place.partition: ends[place] if (at := found.get(place)) is None else at.offset for place in places}


def own_topics(service: str) -> list[Topic]:
    """Return the topics with what a service decides."""
    return [topic for topic in CATALOGUE if service in topic.writers and topic is not AUDIT_CHECKPOINTS]

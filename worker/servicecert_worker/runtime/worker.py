"""A worker: all parts of the runtime around one service, from start to shutdown."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, perf_counter, time_ns
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import asyncpg
from asyncpg import Pool
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, CATALOGUE, Topic, journal_topic, parked_topic

from ..audit.chain import Chain
from ..audit.checkpoints import Attestor
from ..core.clock import Clock, ClockGuard, machine_clock
from ..core.crash_points import crash_point
from ..core.decider import Outcome, Result, Service, Task
from ..core.faults import Outage, backoff, error_summary, guard_cancellation, on_transient
from ..core.fold import Item, ParkedArrival, TurnResult
from ..core.record import Arrival
from ..core.service_keys import read_key, read_public_keys
from ..core.signatures import UNTRUSTED, Signer, Verifier
from ..kafka import origins
from ..kafka.broker import Broker
from ..kafka.fence import Fence
from ..kafka.follower import SnapshotFollower
from ..kafka.reading import PartReader
from ..kafka.source import Source
from ..observe.logs import about
from ..observe.telemetry import open_telemetry
from ..storage.database import KnownDatabase, connection_options
from .effects import Effects
from .leader import Leader
from .loop import Loop, wait_any
from .members import Membership, compare_clocks
from .metrics import Metrics
from .sent import Sent
from .settings import WorkerSettings
from .turn import Turns
from .watchdog import give_up, heartbeat

log = logging.getLogger(__name__)
S = TypeVar("S")
K = TypeVar("K")

_STOP_SECONDS = 9.0
_DRAIN_SECONDS = 5.0
_OPEN_BATCHES = 4
_FAILED_BATCHES = 20
_MOST_UNSENT = 5_000
"""Of how many keys something may wait for the journal: a leader that ends leaves all of it to the next one."""


def written_topics(service: str) -> list[Topic]:
    catalogued = (topic for topic in CATALOGUE if service in topic.writers)
    topics = (*catalogued, AUDIT_CHECKPOINTS, parked_topic(service), journal_topic(service))
    return list({topic.name: topic for topic in topics}.values())


def used_topics(service: Service[Any, Any]) -> list[Topic]:
    """Return all topics that a service reads, follows or writes."""
    followed = service.snapshot.topics if service.snapshot else ()
    return list({t.name: t for t in (*service.reads, *followed, *written_topics(service.name))}.values())


class Worker(Generic[S, K]):
    """Takes turns for a service over what `source` reads, and runs all background tasks.

    `pool` connects to no database but the `known` one. `configuration` describes the settings in the first row of the
    audit chain. `clock` may run ahead of the machine's, `now`. Raises `OperatorError` for a bad service key.
    """

    def __init__(
        self,
        service: Service[S, K],
        settings: WorkerSettings,
        pool: Pool,
        known: KnownDatabase,
        broker: Broker,
        source: Source,
        clock: Clock = machine_clock,
        configuration: Mapping[str, object] = MappingProxyType({}),
        now: Clock = machine_clock,
    ) -> None:
        self._url = settings.dsn
        self._service = service
        self._settings = settings
        self._cluster = settings.cluster
        self._pool = pool
        self._known = known
        self._clock = clock
        self._guard = ClockGuard(timedelta(seconds=settings.clock_limit_seconds), now)
        self._member = Membership(settings.dsn, known, service.name, broker.client_id, self._guard)
        self._stopping = asyncio.Event()
        self._metrics = Metrics(
            service.name, service.oversight.gauges, [self._cluster.name(topic) for topic in service.reads]
        )
        dropped = self._metrics.spans_dropped.labels(service.name).inc
        group = self._cluster.group(service.name)
        self._telemetry = open_telemetry(os.environ, service.name, group, self._cluster.prefix, dropped)
        self._chain = Chain(service.name, {**service.oversight.audited, **configuration}, os.urandom)
        key = read_key(settings.service_key_file, service.name)
        verifier = Verifier(read_public_keys(settings.service_keys), self._cluster.prefix)
        signer = Signer(service.name, key)
        self._turns = Turns(service, pool, self._chain, signer, settings.parked_most, self._guard)
        self._sent = Sent(pool)
        self._snapshot: SnapshotFollower[K] = SnapshotFollower(service.snapshot, broker, verifier, self._give, clock)
        follower = self._metrics.followed.of = self._snapshot.follower
        self._readers = self._metrics.followed.readers = (source,) if follower is None else (source, follower)
        self._loop = Loop(
            service,
            settings.batch,
            self._run_turn,
            self._after_turn,
            lambda: self._effects.recover(pool),
            clock,
            verifier,
            self._telemetry.sampler,
            self._guard.require,
        )
        self._effects = Effects(
            self._url,
            known,
            service.name,
            service.effects,
            self._loop.give_result,
            self._loop.wake,
            self._acted,
            self._sent.wait,
            self._guard.require,
        )
        self._source = source
        source.bind(self._loop.wake, self._room, self._member.held, self._sent.unsent)
        self._fence = Fence(self._cluster, service.name, verifier)
        attestor = Attestor(service.name, pool, key, clock)
        self._leader = Leader(
            service,
            settings,
            known,
            pool,
            self._effects,
            self._loop.give,
            partial(self._room, 2),
            clock,
            attestor,
            verifier,
            signer,
            self._telemetry,
            self._fence,
            self._guard,
            self._member,
            self._sent,
        )
        self._kafka_outage = Outage("Kafka")
        self._turns_task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work until the context ends. Raises `OperatorError` if an operator must act, and the error of a defect."""
        await self._pass_fence()
        # Before anything is read, decided or signed (B6).
        await self._retried("The audit chain", lambda: self._chain.begin(self._pool, self._clock()))
        try:
            async with self._service.beside(self._guard.require), asyncio.TaskGroup() as group:
                parts = [
                    group.create_task(guard_cancellation(part), name=name)
                    for name, part in {
                        "followed topics": self._snapshot.run(),
                        "membership": self._member.hold(),
                        "effects": self._effects.run(),
                        "leader": self._leader.run(),
                        "source": self._source.watch(),
                        "origins": origins.watch(
                            self._cluster,
                            [self._cluster.name(topic) for topic in used_topics(self._service)],
                            self._compare_topics,
                            self._kafka_outage,
                        ),
                        "watchdog": self._watch_progress(),
                        "fence": self._compare_others(),
                    }.items()
                ]
                self._turns_task = group.create_task(guard_cancellation(self._take_turns()), name="turns")
                yield
                self._stopping.set()
                for part in parts:
                    part.cancel()
        finally:
            self._stopping.set()
            await self._telemetry.close()

    async def _take_turns(self) -> None:
        await wait_any(self._snapshot.ready, self._stopping)
        await self._loop.run(self._source, self._stopping)

    async def finish(self) -> None:
        """Shut down: finish the turn and the intents in progress, record results, commit offsets, sign a checkpoint."""
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                if self._turns_task is not None:
                    await self._turns_task
                await self._effects.drain(_DRAIN_SECONDS)
                await self._loop.finish(self._source)
                await self._source.finish()
                await self._sign_last_checkpoint()
        log.info("Stopped")

    async def _pass_fence(self) -> None:
        """Compare the database with the topics before anything is read, decided or signed. Raises `OperatorError`."""
        await self._retried("What the database and the topics have", self._compare)

    async def _compare(self) -> None:
        connection = await asyncpg.connect(self._url, **connection_options(self._service.name))
        try:
            await compare_clocks(self._guard, connection)
            await self._fence.require_known(connection.fetch)
            if await self._known.accept(connection):
                self._chain.head = None
                self._source.forget()
                await self._chain.require(connection)
        finally:
            connection.terminate()

    async def _compare_topics(self, ids: Mapping[str, str], reader: PartReader) -> None:
        await origins.compare(self._pool, self._service.name, ids)
        await self._fence.require_sent(reader, self._pool.fetch)

    async def _compare_others(self) -> None:
        """Compare each other database that takes the place of the known one. Raises `OperatorError`."""
        while True:
            await self._known.another()
            await self._pass_fence()

    async def _retried(self, what: str, act: Callable[[], Awaitable[object]]) -> None:
        outage = Outage(what)
        async for _ in backoff():
            if self._stopping.is_set():
                return
            with on_transient(outage.began):
                await act()
                outage.ended()
                return

    async def _sign_last_checkpoint(self) -> None:
        text = "The last audit checkpoint was not signed; the next leader signs it"
        with on_transient(lambda error: log.warning(text, extra={"error": error_summary(error)})):
            await self._leader.attest()

    async def _run_turn(self, items: Sequence[Item], now: datetime) -> TurnResult:
        started = perf_counter()
        owner, channel = self._effects.owner, self._leader.channel
        try:
            result = await self._turns.take(items, self._snapshot.known(), now, owner, channel)
        except BaseException:
            self._effects.commit_unconfirmed()
            raise
        self._metrics.count(result, items, machine_clock(), perf_counter() - started)
        return result

    def _after_turn(self, result: TurnResult, items: Sequence[Item]) -> None:
        self._telemetry.handled(result, items, self._loop.began)
        self._effects.recorded(item.id for item in items if isinstance(item, Result))
        self._effects.submit(result.tasks, result.owner)
        crash_point("dispatched")
        if result.published or result.parked:
            self._leader.wake_relay()
        for late in result.late_results:
            fields = {"code": late.code, "key": late.result.key, "intent": str(late.result.id)}
            with about(late.result):
                log.error("alarm: a late result contradicts the recorded one", extra=fields)
        for parked in result.parked:
            text = "A record is parked: see `servicecert parked list`"
            if parked.reason in UNTRUSTED:
                text = "alarm: no writer of the topic has signed this record; it is parked"
            with about(parked.arrival):
                log.error(text, extra=_fields(parked))

    def _acted(self, kind: str, tasks: Sequence[Task], outcomes: Sequence[Outcome], began: int) -> None:
        self._metrics.count_acts(kind, outcomes, (time_ns() - began) / 1e9)
        self._telemetry.acted(kind, tasks, outcomes, began)

    def _give(self, items: Sequence[Arrival]) -> None:
        """Take in what nobody reads again before the next start, unless too much waits already."""
        if self._room() > 0:
            self._loop.give(items)

    def _room(self, share: int = 1) -> int:
        """Return how many more items may be taken in, so that memory stays bounded whatever the backlog.

        What is due, and what a dead owner has left, has twice the share: it is older than the records of a backlog,
        which fill the room as long as there is one. Acts that failed and are tried again, as where a key is away, are
        no backlog, and have a larger bound: they hold up nothing else.
        """
        batch, failed = self._settings.batch, self._effects.failed
        fresh = self._effects.open - failed + self._loop.waiting
        too_many = fresh >= share * _OPEN_BATCHES * batch or failed >= share * _FAILED_BATCHES * batch
        return 0 if too_many or self._source.unsent > share * _MOST_UNSENT else 2 * batch

    async def _watch_progress(self) -> None:
        """End the process if it has work but makes no progress, and there is no outage: a supervisor restarts it."""
        with heartbeat(self._settings.stall_seconds) as beat:
            while True:
                await asyncio.sleep(1)
                beat()
                live, why = self.live()
                if not live:
                    give_up(why)

    def live(self) -> tuple[bool, str]:
        """Return whether the worker makes progress. Time without work, or in an outage, counts as progress."""
        idle = monotonic() - self._loop.progressed
        waiting = bool(len(self._source) or self._loop.waiting or self._source.is_behind())
        outside = self._guard.fault() or self._loop.unavailable or self._kafka_outage.since is not None
        if not waiting or outside or self._room() <= 0:
            self._loop.progressed = monotonic()
        elif idle > self._settings.stall_seconds:
            return False, f"work is waiting, and nothing was handled for {idle:.0f} s"
        return True, "live"

    def ready(self) -> tuple[bool, str]:
        """Return whether turns are taken, or could be."""
        if wrong := self._guard.fault():
            return False, wrong
        if not self._chain.begun:
            return False, "the audit chain cannot be written"
        if reason := next((each.standstill.reason for each in self._readers if each.standstill.reason), None):
            return False, reason
        if not self._snapshot.ready.is_set():
            return False, "the followed topics are not read to their end yet"
        if unavailable := self._loop.unavailable or self._effects.unavailable:
            return False, unavailable
        if self._kafka_outage.since is not None:
            return False, "Kafka is unavailable"
        if self._stopping.is_set():
            return False, "stopping"
        if ahead := self._settings.clock_ahead:
            return True, f"ready, with a clock that runs {ahead} ahead"
        return True, "ready"

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        metrics, service = self._metrics, self._service.name
        group = self._cluster.group(service)
        metrics.partitions.labels(group).set(self._source.assigned())
        metrics.ready.labels(service).set(int(self.ready()[0]))
        metrics.stuck.labels(service).set(self._loop.stuck)
        metrics.clock_wrong.labels(service).set(self._guard.fault() is not None)
        metrics.clock_ahead.labels(service).set((self._settings.clock_ahead or timedelta()).total_seconds())
        await metrics.own.read()
        return metrics.text()


def _fields(parked: ParkedArrival) -> dict[str, object]:
    """Return the log fields of a parked record. `error` is None where nothing was raised, as behind another record."""
    arrival, record = parked.arrival, parked.arrival.record
    position = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    identity = {"event_id": str(arrival.id), "key": arrival.key, **position}
    return {"reason": parked.reason, **identity, "error": parked.raised}

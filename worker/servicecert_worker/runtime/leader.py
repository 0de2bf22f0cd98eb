"""The leader: the one worker of a service that runs the relay, deadlines, replays, adoption, checkpoints and pruning.

It also removes dead workers from the consumer group. It holds an advisory lock on the connection that the relay reads
with: a worker that loses one loses the other.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

import asyncpg
from servicecert_schemas.topics import CATALOGUE, JOURNAL_KEPT

from ..audit.checkpoints import Attestor
from ..core.clock import Clock, ClockGuard
from ..core.crash_points import crash_point
from ..core.decider import Due, Service
from ..core.faults import Outage, backoff, first_of, is_transient, run_together, with_timeout
from ..core.record import Arrival
from ..core.signatures import Signer, Verifier
from ..core.traces import admitted
from ..kafka.clients import stop
from ..kafka.fence import Fence
from ..kafka.internals import client_of
from ..kafka.reading import is_caught_up
from ..observe.telemetry import Telemetry
from ..storage import QUERIES
from ..storage.database import KnownDatabase, connection_options, take_lead
from .effects import Effects
from .members import DeadMembers, Membership
from .parking import released
from .publishing import Relay, producer_of
from .sent import Sent
from .settings import WorkerSettings

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_LINGER = 0.1
_LINGER_FOR_OTHERS = 0.02
"""How long the acts of other workers wait at most for what this one has sent."""
_MEMBERS_SECONDS = 1.0
_PRUNE_SECONDS = 30.0
_SILENT = "70s"
"""How long the lock is kept for a leader that PostgreSQL does not hear: the fence may wait for Kafka for a while."""


@dataclass(eq=False)
class Leader:
    """Tries to become the leader, for ever, and leads while it holds the lock."""

    service: Service[Any, Any]
    settings: WorkerSettings
    known: KnownDatabase
    pool: asyncpg.Pool
    effects: Effects
    give: Callable[[Sequence[Due | Arrival]], None]
    room: Callable[[], int]
    clock: Clock
    attestor: Attestor
    verifier: Verifier
    signer: Signer
    telemetry: Telemetry
    fence: Fence
    guard: ClockGuard
    member: Membership
    sent: Sent
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _heard_another: float = field(default=-math.inf, init=False)
    _leading: bool = field(default=False, init=False)
    _outage: Outage = field(default_factory=lambda: Outage("The relay's PostgreSQL or Kafka"), init=False)

    @property
    def channel(self) -> str:
        """The PostgreSQL channel that wakes the relay; empty if the relay runs in this process."""
        return "" if self._leading else f"outbox_{self.service.name}"

    def wake_relay(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Lead whenever possible; retry after transient errors."""
        async for _ in backoff(longest=1.0):
            try:
                await self._campaign()
            except* Exception as group:
                if group.split(is_transient)[1] is not None:
                    raise
                self._outage.began(first_of(group))

    async def _campaign(self) -> None:
        connection = await asyncpg.connect(self.settings.dsn, **connection_options(self.service.name, _SILENT))
        try:
            await self.known.admit(connection)
            # The relay's deletes are lost with a server that dies: the events are then published again.
            await connection.execute("set synchronous_commit = off")
            async for _ in backoff(longest=0.5):
                self.guard.require()
                if await take_lead(connection):
                    await self._lead(connection)
        finally:
            self._leading = False
            connection.terminate()

    async def _lead(self, connection: asyncpg.Connection) -> None:
        await connection.add_listener(f"outbox_{self.service.name}", self._hear_another)
        # A server that took over may lack what the last one had committed: nothing is published from it then.
        await self.fence.require_known(connection.fetch)
        await self._set_initial_deadlines()
        producer = producer_of(self.settings.cluster, self.service.name)
        dead = DeadMembers(self.settings.cluster.group(self.service.name), self.member.held)
        try:
            await with_timeout(15, producer.start())
            self._leading = True
            self._outage.ended()
            await run_together(
                Relay(
                    connection,
                    producer,
                    self.settings.cluster,
                    self.service.name,
                    self.signer,
                    self._wake,
                    self.sent,
                    self.telemetry,
                    self._linger,
                ).run(),
                _every(_POLL_SECONDS, self._poll),
                _every(_MEMBERS_SECONDS, partial(dead.remove, client_of(producer), self.pool)),
                _every(_PRUNE_SECONDS, self._prune),
                _every(self.settings.audit_seconds, self.attest),
            )
        finally:
            await stop(producer)

    def _hear_another(self, *_: object) -> None:
        self._heard_another = monotonic()
        self._wake.set()

    def _linger(self) -> float:
        is_awaited = any(each.after_events for each in self.service.effects.values())
        return _LINGER_FOR_OTHERS if is_awaited and monotonic() < self._heard_another + 1 else _LINGER

    async def _set_initial_deadlines(self) -> None:
        statement = "insert into deadlines (key, kind, id, at) values ($1, $2, $3, $4) on conflict do nothing"
        initial = self.service.rules.initial_deadlines
        await self.pool.executemany(statement, [(*each, uuid4(), self.clock()) for each in initial])

    async def _poll(self) -> None:
        # A worker whose clock is right may lead instead.
        self.guard.require()
        room = self.room()
        if room <= 0:
            return
        now = self.clock()
        async with self.pool.acquire() as connection:
            ((is_due, is_released, are_left),) = await connection.fetch(QUERIES["waiting"], now, self.effects.owner)
            rows = await connection.fetch(QUERIES["due"], now, room, ()) if is_due else []
            sampler = self.telemetry.sampler
            arrivals = await released(connection, room, self.verifier, sampler) if is_released else []
        if are_left:
            await self.effects.adopt(self.pool, room)
        if rows or arrivals:
            crash_point("due-read")
            self.give(arrivals)
            if waiting := await self._waiting({row["kind"] for row in rows}, now):
                # Others may be behind them.
                rows = await self.pool.fetch(QUERIES["due"], now, room, waiting)
            self.give([self._due(row) for row in rows])

    def _due(self, row: asyncpg.Record) -> Due:
        context = row["traceparent"] or admitted(None, str(row["id"]), self.telemetry.sampler)
        return Due(row["id"], row["key"], row["kind"], row["at"], context)

    async def _waiting(self, due: Set[str], now: datetime) -> Sequence[str]:
        """Return the kinds of deadlines that wait until what was written before is handled, if one of them is `due`."""
        waits, waiting = self.service.rules.wait_for_topics, list[str]()
        for slack in sorted(set(waits.values()), reverse=True) if due & waits.keys() else ():
            # What is not read until an hour ago is not read until a minute ago.
            if waiting or not await is_caught_up(
                self.settings.cluster, self.service.name, self.service.reads, now - slack
            ):
                waiting += [kind for kind in waits if waits[kind] == slack]
        return waiting

    async def attest(self) -> None:
        """Sign a checkpoint of the audit chains, if this worker leads (B6)."""
        if self._leading and await self.attestor.attest():
            self._wake.set()

    async def _prune(self) -> None:
        await self.pool.execute(QUERIES["prune"], timedelta(days=self.settings.inbox_days))
        for topic in (topic for topic in CATALOGUE if self.service.name in topic.writers):
            if topic.retention is not None:
                await self.pool.execute(QUERIES["prune_events"], topic.name, topic.retention)
            elif topic.compacted:
                await self.pool.execute(QUERIES["prune_replaced_events"], topic.name, JOURNAL_KEPT)


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await act()
        await asyncio.sleep(seconds)

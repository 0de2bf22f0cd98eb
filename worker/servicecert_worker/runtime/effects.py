"""Effects do intents after the commit that decided them, and pass the results to the next turn.

The owner of an intent is a session advisory lock on a connection of its own: no two workers do an intent at once. When
the connection is lost, others adopt its intents, and the worker drops them and adopts again under a new owner.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, time_ns
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from ..core import traces
from ..core.clock import ClockWrong
from ..core.crash_points import crash_point
from ..core.decider import Done, Effect, Outcome, Result, Retry, Task
from ..core.faults import Outage, backoff, error_summary, guard_cancellation, is_transient, on_transient, with_timeout
from ..observe.logs import about
from ..storage import QUERIES
from ..storage.database import KnownDatabase, connection_options

log = logging.getLogger(__name__)


_AFTER_CLOCK = timedelta(seconds=5)
_SHARE_SECONDS = 0.005
"""How long results wait at most for those of others at work, since a commit costs the same for several."""
SILENT = "20s"
"""How long a lock is kept for a worker that PostgreSQL does not hear: see `watch`."""

NOBODY = 0
"""The owner of intents that are decided while the worker holds no lock: the next adoption takes them."""


@dataclass(eq=False)
class Effects:
    """Does a service's intents. `owner` is the lock that this worker holds, `NOBODY` while it holds none.

    An unconfirmed commit may have stored intents of this owner that it does not know of. Nobody else may adopt them, so
    it calls `wake` to have `recover` called, which looks for them. `give` gets each result, and whether it is stored;
    `acted` gets each batch's kind, tasks and outcomes, and when it began, in nanoseconds since 1970. `sent` returns
    once the topics have what was committed before a moment of the steady clock. `require_clock` raises ClockWrong where
    intents have to wait (F6).
    """

    url: str
    known: KnownDatabase
    service: str
    effects: Mapping[str, Effect]
    give: Callable[[Result, bool], None]
    wake: Callable[[], None]
    acted: Callable[[str, Sequence[Task], Sequence[Outcome], int], None]
    sent: Callable[[float], Awaitable[None]]
    require_clock: Callable[[], None] = lambda: None
    owner: int = field(default=NOBODY, init=False)
    open: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    _submitted: float = field(default=0.0, init=False)
    _queues: dict[str, asyncio.Queue[Task]] = field(default_factory=dict, init=False)
    _busy: int = field(default=0, init=False)
    _in_progress: set[UUID] = field(default_factory=set, init=False)
    _unstored: dict[UUID, bytes] = field(default_factory=dict, init=False)
    _ended: int = field(default=0, init=False)
    _all_ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _has_unconfirmed_commit: bool = field(default=False, init=False)
    _adopting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _closing: bool = field(default=False, init=False)
    _outage: Outage = field(default_factory=lambda: Outage("The database connection that owns intents"), init=False)

    @property
    def unavailable(self) -> str | None:
        """Why intents are left to other workers for now: there is no connection to own them by."""
        return None if self._outage.since is None else "PostgreSQL is unavailable"

    def submit(self, tasks: Sequence[Task], owner: int) -> None:
        """Queue intents. Those of an owner that this worker no longer is are left for adoption."""
        if owner == NOBODY or owner != self.owner:
            return
        if tasks:
            self._submitted = monotonic()
        for task in tasks:
            self.open += 1
            self._in_progress.add(task.id)
            self._queues[task.kind].put_nowait(task)

    def recorded(self, ids: Iterable[UUID]) -> None:
        self._in_progress.difference_update(ids)

    def commit_unconfirmed(self) -> None:
        """Note that a transaction failed but may have been committed."""
        self._has_unconfirmed_commit = True
        self.wake()

    async def adopt(self, pool: asyncpg.Pool, limit: int) -> None:
        """Adopt up to `limit` intents whose owner has died, and do them. Raises what asyncpg raises."""
        async with self._adopting:
            if (owner := self.owner) == NOBODY:
                return
            try:
                tasks = await _adopt(pool, owner, limit, list(self.effects))
            except BaseException:
                self.commit_unconfirmed()
                raise
            self._take(tasks, owner)

    async def recover(self, pool: asyncpg.Pool) -> None:
        """After an unconfirmed commit, do this owner's intents that it does not know of. No turn may run meanwhile.

        A transient error is retried until the database answers.
        """
        if not self._has_unconfirmed_commit:
            return
        async for _ in backoff():
            with on_transient(lambda _: None):
                async with self._adopting:
                    await self._submit_missing(pool)
                return

    async def _submit_missing(self, pool: asyncpg.Pool) -> None:
        owner = self.owner
        if owner != NOBODY:
            rows = await pool.fetch(QUERIES["own"], owner, list(self._in_progress))
            self._take(rows, owner)
            if rows:
                log.warning("An unconfirmed commit had stored intents; doing them now", extra={"intents": len(rows)})
        self._has_unconfirmed_commit = False

    def _take(self, rows: Sequence[asyncpg.Record], owner: int) -> None:
        """Do stored intents; of those that were done, pass on the stored result."""
        self.submit([task_of(self.effects, row) for row in rows if row["result"] is None], owner)
        if owner != self.owner:
            return
        for row in rows:
            model = self.effects[row["kind"]].result
            if row["result"] is not None and model is not None:
                self._in_progress.add(row["id"])
                data = model.model_validate_json(row["result"])
                self.give(result_of(task_of(self.effects, row), data), True)

    async def drain(self, seconds: float) -> None:
        """Start no more intents, and wait for results of those in progress. Other workers adopt the rest."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy:  # noqa: ASYNC110  -- at the end of a process, for seconds at most
                    await asyncio.sleep(0.02)

    async def run(self) -> None:
        """Own and do intents, for ever; reopen a lost connection."""
        if not self.effects:
            return
        async for _ in backoff():
            owner = random.randint(1, 2**31 - 1)  # noqa: S311  -- a name, not a secret
            with on_transient(self._outage.began), suppress(ClockWrong):
                self.require_clock()
                connection = await asyncpg.connect(self.url, **connection_options(self.service, SILENT))
                try:
                    await self.known.admit(connection)
                    if await connection.fetchval(QUERIES["try_lock"], f"owner/{owner}"):
                        self._outage.ended()
                        await self._own(connection, owner)
                finally:
                    connection.terminate()

    async def _own(self, connection: asyncpg.Connection, owner: int) -> None:
        """Do intents as this owner until the connection is lost, and the lock with it, or the clock is wrong."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        self._queues = {kind: asyncio.Queue() for kind in self.effects}
        self.open = self.failed = 0
        self._in_progress = set()
        self._unstored = {}
        self.owner = owner
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._do(kind, effect, connection, lost))
                for kind, effect in self.effects.items()
                for _ in range(effect.concurrency)
            ]
            try:
                await watch(connection, lost, self._ask, self._storing)
            finally:
                self.owner = NOBODY
                for task in tasks:
                    task.cancel()

    async def _ask(self, connection: asyncpg.Connection) -> None:
        self.require_clock()
        await connection.fetchval("select 1")

    async def _do(self, kind: str, effect: Effect, connection: asyncpg.Connection, lost: asyncio.Event) -> None:
        queue = self._queues[kind]
        while True:
            tasks = [await queue.get()]
            while len(tasks) < effect.batch and not queue.empty():
                tasks.append(queue.get_nowait())
            if self._closing:
                return
            self._busy += 1
            try:
                crash_point("effect-start")
                began = time_ns()
                with about(tasks[0]) if len(tasks) == 1 else nullcontext():
                    outcomes = await self._outcomes(effect, tasks)
                self.acted(kind, tasks, outcomes, began)
                crash_point("effect-done")
                is_stored = False
                try:
                    if effect.result is not None:
                        is_stored = await self._store(tasks, outcomes, connection, lost)
                finally:
                    self._pass_on(kind, tasks, outcomes, is_stored)
            finally:
                self._busy -= 1

    async def _outcomes(self, effect: Effect, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Do the tasks, once their events are published where the effect asks for it (I4)."""
        try:
            if effect.after_events:
                await guard_cancellation(self.sent(self._submitted))
                crash_point("published")
            self.require_clock()
            return await guard_cancellation(effect.do(tasks))
        except ClockWrong as wrong:
            return [Retry(str(wrong), _AFTER_CLOCK)] * len(tasks)
        except Exception as error:
            summary = error_summary(error)
            log.error("An effect raised; its intents are retried", extra={"kind": tasks[0].kind, "error": summary})
            return [Retry(f"it raised {summary}")] * len(tasks)

    async def _store(
        self,
        tasks: Sequence[Task],
        outcomes: Sequence[Outcome],
        connection: asyncpg.Connection,
        lost: asyncio.Event,
    ) -> bool:
        """Store results with their intents, together with those that others have soon. Return whether they are.

        The connection is the one that owns them: if it cannot store, the intents are left to others.
        """
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, Done):
                self._unstored[task.id] = outcome.data.model_dump_json().encode()
        self._ended += 1
        try:
            if self._ended == self._busy:
                self._all_ended.set()
                self._all_ended = asyncio.Event()
            else:
                with suppress(TimeoutError):
                    await with_timeout(_SHARE_SECONDS, self._all_ended.wait())
            async with self._storing:
                results, self._unstored = self._unstored, {}
                if results:
                    await connection.execute(QUERIES["keep_results"], list(results), list(results.values()))
        except Exception as error:
            if not is_transient(error):
                raise
            lost.set()
        finally:
            self._ended -= 1
        return not lost.is_set()

    def _pass_on(self, kind: str, tasks: Sequence[Task], outcomes: Sequence[Outcome], is_stored: bool) -> None:
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, Done):
                self.open -= 1
                self.failed -= task.tries > 0
                self.give(result_of(task, outcome.data), is_stored)
            else:
                self.failed += task.tries == 0
                self._schedule_retry(self._queues[kind], task, outcome)

    def _schedule_retry(self, queue: asyncio.Queue[Task], task: Task, outcome: Retry) -> None:
        pause = outcome.after or timedelta(seconds=min(60.0, 0.5 * 2 ** min(task.tries, 10)))
        level = logging.WARNING if task.tries == 0 else logging.INFO
        fields = {"kind": task.kind, "key": task.key, "intent": str(task.id), "seconds": pause.total_seconds()}
        with about(task):
            log.log(level, "An intent failed and will be retried: %s", outcome.reason, extra=fields)
        later = Task(task.id, task.key, task.kind, task.data, task.since, task.traceparent, task.tries + 1)
        asyncio.get_running_loop().call_later(pause.total_seconds(), queue.put_nowait, later)


def result_of(task: Task, data: BaseModel) -> Result:
    """Return the result of a task, in its trace below the span of the act."""
    return Result(task.id, task.key, task.kind, data, traces.child(task.traceparent, task.id))


async def watch(
    connection: asyncpg.Connection,
    lost: asyncio.Event,
    ask: Callable[[asyncpg.Connection], Awaitable[None]],
    in_use: AbstractAsyncContextManager[Any] | None = None,
) -> None:
    """Return when the connection is lost, or `ask` raises a transient error.

    It asks every 5 s, which finds a broken connection that nothing reports. `in_use` is held while others use it.
    """
    while not lost.is_set():
        with suppress(TimeoutError):
            await with_timeout(5, lost.wait())
            return
        try:
            async with in_use or nullcontext():
                await ask(connection)
        except Exception as error:
            if not is_transient(error):
                raise
            return


async def _adopt(pool: asyncpg.Pool, owner: int, limit: int, kinds: Sequence[str]) -> list[asyncpg.Record]:
    """Make up to `limit` of dead owners' intents of these kinds this owner's. Return them, an owner's oldest first."""
    adopted: list[asyncpg.Record] = []
    async with pool.acquire() as connection:
        others = await connection.fetch("select distinct owner from intents where owner <> $1", owner)
        for (other,) in others:
            async with connection.transaction():
                is_dead = other == NOBODY or await connection.fetchval(QUERIES["try_lock_for_now"], f"owner/{other}")
                if is_dead and len(adopted) < limit:
                    adopted += await connection.fetch(QUERIES["adopt"], owner, other, limit - len(adopted), kinds)
    if adopted:
        crash_point("adopted")
    return adopted


def task_of(effects: Mapping[str, Effect], row: asyncpg.Record) -> Task:
    """Return the task of a stored intent."""
    data = effects[row["kind"]].data.model_validate_json(row["data"])
    return Task(row["id"], row["key"], row["kind"], data, row["since"], row["traceparent"])

"""Acts on the world: done after the commit that decided them, their results given to the next turn.

The owner of an intent is a session advisory lock on a connection of its own, so that nobody does the same act at the same time, and another adopts
the intent the moment its owner's connection is gone. On loss of that connection what is under way is dropped, and adopted anew under a new owner.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from ..decider import Done, Effect, Outcome, Result, Retry, Task
from ..faults import Outage, backoff, error_summary, guard_cancellation, is_transient, with_timeout
from ..storage import QUERIES
from ..storage.database import connection_options
from .crash_points import crash_point

log = logging.getLogger(__name__)

OWNERS = 7077
"""The class of the advisory locks that owners hold."""

NOBODY = 0
"""The owner of intents that are decided while this worker holds no lock: the first to look adopts them."""


class Effects:
    """Does a service's intents. `owner` is the lock that this worker holds, `NOBODY` while it holds none.

    A transaction whose answer is lost may have made intents this worker's own without its knowing. Nobody else may take them, so after a doubt it
    looks for them itself (`settle`): `wake` asks for that.
    """

    def __init__(
        self,
        url: str,
        service: str,
        effects: Mapping[str, Effect],
        give: Callable[[Result], None],
        wake: Callable[[], None],
    ) -> None:
        self.owner = NOBODY
        self._url = url
        self._service = service
        self._effects = effects
        self._give = give
        self._wake = wake
        self._queues: dict[str, asyncio.Queue[Task]] = {}
        self._open = 0
        self._busy = 0
        self._hand: set[UUID] = set()
        self._doubtful = False
        self._adopting = asyncio.Lock()
        self._closing = False
        self._outage = Outage("The database connection that owns acts on the world")

    @property
    def open(self) -> int:
        """How many intents are in this worker's hands and have no result yet."""
        return self._open

    def submit(self, tasks: Sequence[Task], owner: int) -> None:
        """Takes intents into this worker's hands. Those written for an owner that it is no more are left for whoever adopts them."""
        if owner == NOBODY or owner != self.owner:
            return
        for task in tasks:
            self._open += 1
            self._hand.add(task.id)
            self._queues[task.kind].put_nowait(task)

    def recorded(self, ids: Iterable[UUID]) -> None:
        """Says that the results of these intents are recorded: their rows are gone."""
        self._hand.difference_update(ids)

    def doubt(self) -> None:
        """Says that a transaction failed and may yet have been committed."""
        self._doubtful = True
        self._wake()

    async def adopt(self, pool: asyncpg.Pool[Any], limit: int) -> None:
        """Takes over up to `limit` intents whose owner is gone, and does them. Raises what asyncpg raises; then there is a doubt."""
        async with self._adopting:
            if (owner := self.owner) == NOBODY:
                return
            try:
                tasks = await _adopt(pool, self._effects, owner, limit)
            except BaseException:
                self.doubt()
                raise
            self.submit(tasks, owner)

    async def settle(self, pool: asyncpg.Pool[Any]) -> None:
        """After a doubt, does the intents that are this worker's own and not in its hands. No turn may be under way meanwhile.

        What is transient is tried again until the database answers.
        """
        if not self._doubtful:
            return
        async for _ in backoff():
            try:
                async with self._adopting:
                    await self._find(pool)
                return
            except Exception as error:
                if not is_transient(error):
                    raise

    async def _find(self, pool: asyncpg.Pool[Any]) -> None:
        owner = self.owner
        if owner != NOBODY:
            rows = await pool.fetch(QUERIES["own"], owner, list(self._hand))
            self.submit([_task(self._effects, row) for row in rows], owner)
            if rows:
                log.warning("%d acts were decided in a transaction whose answer was lost; they are done now", len(rows))
        self._doubtful = False

    async def drain(self, seconds: float) -> None:
        """Begins no further act and waits for those under way, so that their results can still be recorded. Others adopt the rest."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy:  # noqa: ASYNC110  -- at the end of a process, for seconds at most
                    await asyncio.sleep(0.02)

    async def run(self) -> None:
        """Owns and does intents, for ever; a lost connection is opened anew."""
        if not self._effects:
            return
        async for _ in backoff():
            owner = random.randint(1, 2**31 - 1)  # noqa: S311  -- a name, not a secret
            try:
                connection = await asyncpg.connect(self._url, **connection_options(self._service))
                try:
                    if await connection.fetchval("select pg_try_advisory_lock($1, $2)", OWNERS, owner):
                        self._outage.ended()
                        await self._own(connection, owner)
                finally:
                    connection.terminate()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._outage.began(error)

    async def _own(self, connection: asyncpg.Connection[Any], owner: int) -> None:
        """Does intents as this owner until the connection, and the lock with it, is gone."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        self._queues = {kind: asyncio.Queue() for kind in self._effects}
        self._open = 0
        self._hand = set()
        self.owner = owner
        async with asyncio.TaskGroup() as group:
            doers = [
                group.create_task(self._do(kind, effect))
                for kind, effect in self._effects.items()
                for _ in range(effect.concurrency)
            ]
            try:
                await watch(connection, lost)
            finally:
                self.owner = NOBODY
                for doer in doers:
                    doer.cancel()

    async def _do(self, kind: str, effect: Effect) -> None:
        queue = self._queues[kind]
        while True:
            tasks = [await queue.get()]
            while len(tasks) < effect.batch and not queue.empty():
                tasks.append(queue.get_nowait())
            if self._closing:
                return
            self._busy += 1
            try:
                await self._do_once(kind, effect, tasks)
            finally:
                self._busy -= 1

    async def _do_once(self, kind: str, effect: Effect, tasks: Sequence[Task]) -> None:
        crash_point("effect-start")
        outcomes = await _outcomes(effect, tasks)
        crash_point("effect-done")
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, Done):
                self._open -= 1
                self._give(Result(task.id, task.key, kind, outcome.data, task.traceparent))
            else:
                self._again(self._queues[kind], task, outcome)

    def _again(self, queue: asyncio.Queue[Task], task: Task, outcome: Retry) -> None:
        pause = outcome.after or timedelta(seconds=min(60.0, 0.5 * 2 ** min(task.tries, 10)))
        level = logging.WARNING if task.tries == 0 else logging.INFO
        log.log(level, "%s is tried again in %.1f s: %s", task.kind, pause.total_seconds(), outcome.reason)
        later = Task(task.id, task.key, task.kind, task.data, task.since, task.traceparent, task.tries + 1)
        asyncio.get_running_loop().call_later(pause.total_seconds(), queue.put_nowait, later)


async def watch(connection: asyncpg.Connection[Any], lost: asyncio.Event) -> None:
    """Returns when the connection is gone. A query now and then finds a broken one that nothing reports."""
    while not lost.is_set():
        with suppress(TimeoutError):
            await with_timeout(5, lost.wait())
            return
        try:
            await connection.fetchval("select 1")
        except Exception as error:
            if not is_transient(error):
                raise
            return


async def _outcomes(effect: Effect, tasks: Sequence[Task]) -> Sequence[Outcome]:
    try:
        return await guard_cancellation(effect.do(tasks))
    except Exception as error:
        log.error("An act raised %s; it is tried again", error_summary(error))
        return [Retry(f"it raised {error_summary(error)}")] * len(tasks)


async def _adopt(pool: asyncpg.Pool[Any], effects: Mapping[str, Effect], owner: int, limit: int) -> list[Task]:
    """Makes intents whose owner is gone this owner's: up to `limit`, oldest first."""
    adopted: list[Task] = []
    async with pool.acquire() as connection:
        others = await connection.fetch("select distinct owner from intents where owner <> $1", owner)
        for row in others:
            async with connection.transaction():
                gone = row["owner"] == NOBODY or await connection.fetchval(
                    "select pg_try_advisory_xact_lock($1, $2)", OWNERS, row["owner"]
                )
                if gone and len(adopted) < limit:
                    rows = await connection.fetch(QUERIES["adopt"], owner, row["owner"], limit - len(adopted))
                    adopted += [_task(effects, found) for found in rows]
    if adopted:
        crash_point("adopted")
    return adopted


def _task(effects: Mapping[str, Effect], row: asyncpg.Record) -> Task:
    data = effects[row["kind"]].data.model_validate_json(row["data"])
    return Task(row["id"], row["key"], row["kind"], data, row["since"], row["traceparent"])

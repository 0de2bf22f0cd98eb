"""C3: an effect that stores results begins nothing more until they are stored, and does nothing again that has one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from servicecert_worker.core.decider import Done, Effect, Result, Task
from servicecert_worker.runtime.effects import NOBODY, Effects
from servicecert_worker.runtime.sent import Sent
from servicecert_worker.storage.database import KnownDatabase
from toy.service import MIGRATIONS, Act

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
LANES = 2


class Lanes:
    """A worker's effects of two lanes. `results` are given and not recorded by any turn."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self.pool = pool
        self.began: list[UUID] = []
        self.results: asyncio.Queue[Result] = asyncio.Queue()
        self.together = asyncio.Barrier(1)
        effect = Effect(Act, self._act, batch=1, concurrency=LANES, result=Act)
        url, sent = pool._connect_args[0], Sent(pool).wait
        self.effects = Effects(
            url, KnownDatabase(), "toy", {"act": effect}, self._give, lambda: None, lambda *_: None, sent
        )

    async def _act(self, tasks: Sequence[Task]) -> Sequence[Done]:
        self.began += [task.id for task in tasks]
        await self.together.wait()
        return [Done(task.data) for task in tasks]

    def _give(self, result: Result, _stored: bool) -> None:
        self.results.put_nowait(result)

    async def intend(self, count: int) -> list[UUID]:
        """Store intents as a turn does, and submit them."""
        act = Act(case_id="case", number="1")
        tasks = [Task(uuid4(), "case", "act", act, NOW) for _ in range(count)]
        await self.pool.executemany(
            "insert into intents (id, key, kind, data, owner, since) values ($1, 'case', 'act', $2, $3, $4)",
            [(task.id, act.model_dump_json().encode(), self.effects.owner, NOW) for task in tasks],
        )
        self.effects.submit(tasks, self.effects.owner)
        return [task.id for task in tasks]

    def submit(self) -> UUID:
        """Submit a task whose intent is not stored."""
        task = Task(uuid4(), "case", "act", Act(case_id="case", number="1"), NOW)
        self.effects.submit([task], self.effects.owner)
        return task.id

    async def given(self, count: int) -> list[UUID]:
        async with asyncio.timeout(120):
            return [(await self.results.get()).id for _ in range(count)]


@asynccontextmanager
async def working(pool: asyncpg.Pool[Any]) -> AsyncIterator[Lanes]:
    lanes = Lanes(pool)
    running = asyncio.create_task(lanes.effects.run())
    try:
        async with asyncio.timeout(120):
            while lanes.effects.owner == NOBODY:  # noqa: ASYNC110  -- the owner is drawn within a second
                await asyncio.sleep(0.01)
        yield lanes
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def pool(service_pool: Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]) -> asyncpg.Pool[Any]:
    return await service_pool("toy", MIGRATIONS)


async def _waits_for_a_lock(pool: asyncpg.Pool[Any]) -> None:
    blocked = "select exists (select from pg_locks where not granted and database = (select oid from pg_database"
    async with asyncio.timeout(120):
        while not await pool.fetchval(f"{blocked} where datname = current_database()))"):  # noqa: ASYNC110  -- the server's
            await asyncio.sleep(0.01)


async def test_C3_no_more_is_begun_than_lanes_while_no_result_can_be_stored(pool: asyncpg.Pool[Any]) -> None:
    async with working(pool) as lanes:
        async with pool.acquire() as connection, AsyncExitStack() as stack:
            ids = await lanes.intend(9)
            await connection.execute("begin; lock table intents in share mode")
            stack.push_async_callback(connection.execute, "commit")
            # Some may be stored before the lock; what is begun after it stays unstored.
            await _waits_for_a_lock(pool)
            stored = await connection.fetchval("select count(*) from intents where result is not null")
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(lanes.began) - stored <= LANES
        assert sorted(await lanes.given(9)) == sorted(ids)
    assert await pool.fetchval("select count(*) from intents where result is not null") == 9


async def test_C3_I9_what_a_dead_worker_has_done_is_not_done_again_by_the_next(pool: asyncpg.Pool[Any]) -> None:
    async with working(pool) as lanes:
        ids = await lanes.intend(3)
        assert sorted(await lanes.given(3)) == sorted(ids)
    async with working(pool) as heir:
        async with asyncio.timeout(120):
            while heir.results.qsize() < 3:
                await heir.effects.adopt(pool, 10)
                await asyncio.sleep(0.01)
        assert sorted(await heir.given(3)) == sorted(ids)
        assert heir.began == []


async def test_C3_a_worker_that_cannot_store_leaves_its_intents_and_passes_its_results_on(
    pool: asyncpg.Pool[Any],
) -> None:
    async with working(pool) as lanes:
        before = lanes.effects.owner
        async with pool.acquire() as connection:
            await connection.execute("begin; lock table intents in share mode")
            only = lanes.submit()
            await _waits_for_a_lock(pool)
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_locks where not granted and pid <> pg_backend_pid()"
            )
            await connection.execute("commit")
        assert await lanes.given(1) == [only]
        async with asyncio.timeout(120):
            while lanes.effects.owner in (before, NOBODY):  # noqa: ASYNC110  -- as above
                await asyncio.sleep(0.01)


async def test_results_of_acts_that_end_together_share_a_commit(pool: asyncpg.Pool[Any]) -> None:
    async with working(pool) as lanes:
        lanes.together = asyncio.Barrier(LANES)
        await lanes.given(len(await lanes.intend(LANES)))
    assert await pool.fetchval("select count(distinct xmin::text) from intents where result is not null") == 1

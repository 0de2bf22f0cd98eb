"""An unconfirmed commit: its intents are done all the same, and those in progress are not done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
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


class Acts:
    """A worker's effects. A `slow` act waits for `release`; a `deaf` one ignores cancellation."""

    def __init__(self, pool: asyncpg.Pool[Any], url: str) -> None:
        self.pool = pool
        self.began: list[UUID] = []
        self.results: asyncio.Queue[Result] = asyncio.Queue()
        self.release = asyncio.Event()
        self.deaf = asyncio.Event()
        self.woken = asyncio.Event()
        effect = Effect(Act, self._act, batch=1, concurrency=2)
        self.effects = Effects(
            url, KnownDatabase(), "toy", {"act": effect}, self._give, self.woken.set, lambda *_: None, Sent(pool).wait
        )

    def _give(self, result: Result, _stored: bool) -> None:
        self.results.put_nowait(result)

    async def _act(self, tasks: Sequence[Task]) -> Sequence[Done]:
        self.began += [task.id for task in tasks]
        if tasks[0].data.number == "slow":
            await self.release.wait()
        if tasks[0].data.number == "deaf":
            self.deaf.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return [Done(task.data) for task in tasks]

    async def intend(self, number: str = "1", owner: int | None = None) -> Task:
        """Store an intent as a turn does, by default of this worker."""
        task = Task(uuid4(), "case", "act", Act(case_id="case", number=number), NOW)
        await self.pool.execute(
            "insert into intents (id, key, kind, data, owner, since) values ($1, $2, $3, $4, $5, $6)",
            task.id,
            task.key,
            task.kind,
            task.data.model_dump_json().encode(),
            self.effects.owner if owner is None else owner,
            NOW,
        )
        return task

    async def owned(self, before: int = NOBODY) -> None:
        """Wait until this worker owns intents, under another number than before."""
        async with asyncio.timeout(120):
            while self.effects.owner in (before, NOBODY):  # noqa: ASYNC110  -- the owner is drawn within a second
                await asyncio.sleep(0.01)

    async def ended(self) -> UUID:
        async with asyncio.timeout(120):
            return (await self.results.get()).id


@pytest.fixture
async def acts(service_pool: Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]) -> AsyncIterator[Acts]:
    pool = await service_pool("toy", MIGRATIONS)
    acts = Acts(pool, pool._connect_args[0])
    running = asyncio.create_task(acts.effects.run())
    await acts.owned()
    yield acts
    acts.release.set()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_I1_an_act_of_a_turn_whose_answer_was_lost_is_done(acts: Acts) -> None:
    lost = await acts.intend()
    acts.effects.commit_unconfirmed()
    assert acts.woken.is_set()
    await acts.effects.recover(acts.pool)
    assert await acts.ended() == lost.id


async def test_I2_an_act_in_progress_is_not_done_twice(acts: Acts) -> None:
    slow, known = await acts.intend("slow"), await acts.intend()
    acts.effects.submit([slow, known], acts.effects.owner)
    assert await acts.ended() == known.id
    lost = await acts.intend()
    acts.effects.commit_unconfirmed()
    await acts.effects.recover(acts.pool)
    assert await acts.ended() == lost.id
    acts.release.set()
    assert await acts.ended() == slow.id
    assert sorted(acts.began) == sorted([slow.id, known.id, lost.id])


async def test_after_confirmed_commits_nothing_is_recovered(acts: Acts) -> None:
    left, later = await acts.intend(), await acts.intend()
    await acts.effects.recover(acts.pool)
    acts.effects.submit([later], acts.effects.owner)
    assert await acts.ended() == later.id
    assert left.id not in acts.began


async def test_a_recorded_result_is_no_longer_in_progress(acts: Acts) -> None:
    task = await acts.intend()
    acts.effects.submit([task], acts.effects.owner)
    assert await acts.ended() == task.id
    acts.effects.recorded([task.id])
    acts.effects.commit_unconfirmed()
    await acts.effects.recover(acts.pool)
    assert await acts.ended() == task.id, "the row is still there, so nothing was recorded"


class LostAnswer:
    """A pool whose connections commit and then say that they are lost."""

    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool

    def acquire(self) -> Any:
        return self._Acquired(self._pool)

    class _Acquired:
        def __init__(self, pool: asyncpg.Pool[Any]) -> None:
            self._acquiring = pool.acquire()

        async def __aenter__(self) -> Any:
            return await self._acquiring.__aenter__()

        async def __aexit__(self, *_: object) -> None:
            await self._acquiring.__aexit__(None, None, None)
            raise ConnectionResetError


async def test_I1_what_was_adopted_without_an_answer_is_done(acts: Acts) -> None:
    orphan = await acts.intend(owner=NOBODY)
    with pytest.raises(ConnectionResetError):
        await acts.effects.adopt(LostAnswer(acts.pool), 10)
    assert acts.woken.is_set()
    assert acts.began == []
    await acts.effects.recover(acts.pool)
    assert await acts.ended() == orphan.id


async def test_I1_an_act_that_ignores_cancellation_does_not_hold_up_what_follows_a_lost_connection(acts: Acts) -> None:
    before = acts.effects.owner
    deaf = await acts.intend("deaf")
    acts.effects.submit([deaf], before)
    await acts.deaf.wait()
    holders = (
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
        " and (classid::bigint << 32) | objid::bigint = lock_of('owner/' || $1)"
    )
    assert await acts.pool.fetchval(holders, str(before))
    await acts.owned(before)
    later = await acts.intend()
    acts.effects.submit([later], acts.effects.owner)
    assert await acts.ended() == later.id

"""Results that are stored already gather while many come, so that few turns tell of them; none waits otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from servicecert_worker.core.decider import Result
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.gathering import MANY_PATIENT
from servicecert_worker.runtime import loop as runtime
from servicecert_worker.runtime.loop import Loop
from toy import service as toy

BATCH = 50


class Empty:
    """A source without records."""

    def __len__(self) -> int:
        return 0

    def take(self, _limit: int) -> list[Any]:
        return []

    def handled(self, _records: Sequence[Any]) -> None:
        pass


class Told:
    """A loop whose turns only note their results, as lists of ids."""

    def __init__(self, *, stored: bool) -> None:
        self.stored = stored
        self.turns: list[list[Any]] = []
        self.stopping = asyncio.Event()
        self.loop: Loop[Any, Any] = Loop(
            toy.toy(Path(), 0.0),
            BATCH,
            self._turn,
            lambda *_: None,
            self._nothing,
            lambda: datetime.now(UTC),
            Verifier({}, ""),
        )

    async def _turn(self, items: Sequence[Any], _now: datetime) -> Any:
        self.turns.append([item.id for item in items])
        return SimpleNamespace()

    async def _nothing(self) -> None:
        pass

    def give(self, count: int) -> None:
        for _ in range(count):
            self.loop.give_result(Result(uuid4(), "k", "act", toy.Act(case_id="k", number="1")), self.stored)

    async def told(self, count: int) -> None:
        async with asyncio.timeout(120):
            while sum(map(len, self.turns)) < count:  # noqa: ASYNC110  -- the turns have no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(*, stored: bool = True):
    told = Told(stored=stored)
    task = asyncio.create_task(told.loop.run(Empty(), told.stopping))
    try:
        yield told
    finally:
        told.stopping.set()
        await task


@pytest.fixture(autouse=True)
def for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that gathers is told of because its time is over."""
    monkeypatch.setattr(runtime, "PATIENT_SECONDS", 3_600.0)


async def test_many_gather_until_they_fill_a_turn() -> None:
    async with running() as told:
        told.give(MANY_PATIENT - 1)
        await told.told(MANY_PATIENT - 1)
        told.give(BATCH - 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert sum(map(len, told.turns)) == MANY_PATIENT - 1, "the others gather"
        assert told.loop.waiting == BATCH - 1
        told.give(1)
        await told.told(MANY_PATIENT - 1 + BATCH)
        assert len(told.turns[-1]) == BATCH


async def test_they_wait_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PATIENT_SECONDS", 0.01)
    async with running() as told:
        told.give(MANY_PATIENT + 5)
        await told.told(MANY_PATIENT + 5)


async def test_none_is_left_at_the_end() -> None:
    async with running() as told:
        told.give(MANY_PATIENT + 5)
    await told.loop.finish(Empty())
    assert sum(map(len, told.turns)) == MANY_PATIENT + 5


async def test_a_result_that_is_not_stored_never_waits() -> None:
    async with running(stored=False) as told:
        told.give(MANY_PATIENT + 5)
        await told.told(MANY_PATIENT + 5)

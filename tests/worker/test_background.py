"""Background tasks do not die unnoticed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from identities import Identities
from servicecert_worker.core.faults import UnexpectedCancellation, background
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.source import Source
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.runtime.worker import Worker
from servicecert_worker.storage.database import KnownDatabase
from toy.app import subscribe
from toy.service import toy
from toy.stand import assert_cancelled

PLACES = {"KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", "DATABASE_URL": "postgresql://nowhere:1/none"}


async def for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


async def fails() -> NoReturn:
    raise ZeroDivisionError


async def is_abandoned() -> NoReturn:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("part", "fault"), [(fails, ZeroDivisionError), (is_abandoned, UnexpectedCancellation)])
async def test_a_part_that_dies_ends_what_it_runs_beside(part, fault) -> None:
    async with asyncio.timeout(120):
        with pytest.raises(fault):
            async with background(part()):
                await asyncio.Event().wait()


async def test_a_part_ends_with_the_context_and_what_that_raises_is_raised_as_it_is() -> None:
    before = asyncio.all_tasks()
    async with background(for_ever()):
        await asyncio.sleep(0)
    with pytest.raises(ConnectionResetError):
        async with background(for_ever()):
            raise ConnectionResetError
    assert asyncio.all_tasks() == before


async def test_whoever_is_cancelled_beside_a_part_stays_cancelled() -> None:
    async def runs() -> None:
        async with background(for_ever()):
            await asyncio.Event().wait()

    await assert_cancelled(runs())


async def test_turns_that_end_by_a_timeout_are_no_orderly_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = WorkerSettings(**PLACES, **Identities(tmp_path / "service-keys", ["toy"]).environment("toy"))
    broker = Broker(settings.cluster, "toy")
    source = Source(broker, ["applications"], "toy")
    subscribe(broker, source)
    worker = Worker(toy(tmp_path / "acts", 0), settings, cast("Any", None), KnownDatabase(), broker, source)

    async def times_out(*_: object) -> None:
        raise TimeoutError

    async def begins(*_: object) -> None:
        worker._snapshot.ready.set()

    monkeypatch.setattr(worker._loop, "run", times_out)
    monkeypatch.setattr(worker, "_pass_fence", begins)
    monkeypatch.setattr(worker._chain, "begin", begins)
    async with asyncio.timeout(120):
        with pytest.raises(BaseExceptionGroup) as ended:
            async with worker.working():
                await asyncio.Event().wait()
    assert ended.group_contains(TimeoutError)

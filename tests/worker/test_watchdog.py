"""When a worker counts as stalled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from identities import Identities
from servicecert_worker.core.decider import Result
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.source import Source
from servicecert_worker.runtime import loop as loops
from servicecert_worker.runtime import worker as workers
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.runtime.worker import Worker
from servicecert_worker.storage.database import KnownDatabase
from toy import service as toy
from toy.app import subscribe

PLACES = {"KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", "DATABASE_URL": "postgresql://nowhere:1/none"}


async def test_F6_a_long_time_without_work_is_no_stall_and_waiting_work_is_by_monotonic_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, steady = [datetime(2026, 11, 24, tzinfo=UTC)], [1_000.0]
    for module in (loops, workers):
        monkeypatch.setattr(module, "monotonic", lambda: steady[0])
    own = Identities(tmp_path / "service-keys", ["toy"]).environment("toy")
    settings = WorkerSettings(**PLACES, **own, SERVICECERT_STALL_SECONDS=60)
    no_pool: Any = None
    broker = Broker(settings.cluster, "toy")
    source = Source(broker, ["applications"], "toy")
    subscribe(broker, source)
    worker = Worker(
        toy.toy(tmp_path / "acts", 0), settings, no_pool, KnownDatabase(), broker, source, clock=lambda: wall[0]
    )
    steady[0] += 3_600
    assert worker.live() == (True, "live")
    worker._loop.give_result(Result(uuid4(), "k", "act", toy.Act(case_id="k", number="1")))
    assert worker.live() == (True, "live")
    wall[0] += timedelta(days=1)
    assert worker.live() == (True, "live"), "a clock that is set is no stall"
    wall[0] -= timedelta(days=2)
    steady[0] += 61
    assert worker.live() == (False, "work is waiting, and nothing was handled for 61 s")

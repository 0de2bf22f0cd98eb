"""A background task ends with its cancellation, also where a client swallowed that: its worker waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import asyncpg
import pytest
from servicecert_worker.core.clock import ClockGuard
from servicecert_worker.core.decider import Effect
from servicecert_worker.core.faults import Outage
from servicecert_worker.kafka import origins
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.effects import Effects
from servicecert_worker.runtime.leader import Leader
from servicecert_worker.runtime.members import Membership
from servicecert_worker.storage.database import KnownDatabase
from toy.service import Act
from toy.stand import assert_cancelled


async def deaf(*_: object, **__: object) -> Any:
    """As asyncpg while it opens a connection on Python 3.11: it answers a cancellation with another error."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ConnectionResetError from None


@pytest.fixture(autouse=True)
def _deaf_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncpg, "connect", deaf)


async def test_the_owner_of_intents_ends() -> None:
    nothing = AsyncMock()
    effects = Effects(
        "nowhere", KnownDatabase(), "toy", {"act": Effect(Act, nothing)}, nothing, nothing, nothing, nothing
    )
    async with asyncio.timeout(60):
        await assert_cancelled(effects.run())


async def test_a_member_ends() -> None:
    member = Membership("nowhere", KnownDatabase(), "toy", "name", ClockGuard(timedelta(minutes=1)))
    async with asyncio.timeout(60):
        await assert_cancelled(member.hold())


async def test_a_leader_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    leader: Any = object.__new__(Leader)
    leader._outage = Outage("The relay's PostgreSQL or Kafka")
    monkeypatch.setattr(leader, "_campaign", deaf)
    async with asyncio.timeout(60):
        await assert_cancelled(leader.run())


async def test_the_comparison_of_topics_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader:
        async def ids(self, _: object) -> tuple[str, Mapping[str, str]]:
            return "cluster", {"topic": "id"}

    monkeypatch.setattr(origins, "part_reader", lambda _: nullcontext(Reader()))
    async with asyncio.timeout(60):
        task = asyncio.create_task(origins.watch(Cluster("nowhere:1"), ["topic"], deaf, Outage("Kafka")))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

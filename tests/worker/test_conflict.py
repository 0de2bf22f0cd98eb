"""Turns that fail: they get smaller until each conflicting item is alone, and end with their task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from servicecert_worker.core.decider import Conflict, Due, Rules, Service, Tables
from servicecert_worker.core.fold import Item
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.turn import TurnResult
from toy.stand import assert_cancelled

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


async def test_I12_items_that_conflict_with_each_other_are_taken_in_turns_of_their_own():
    done: list[UUID] = []
    turns: list[int] = []
    others = iter([True])

    async def take(items: Sequence[Item], _: datetime) -> TurnResult:
        turns.append(len(items))
        names = {item.key for item in items}
        if {"a", "b"} <= names or (names == {"b"} and next(others, False)):
            raise Conflict("They cannot both be stored.")
        return TurnResult((), 0, frozenset(), (), ())

    async def recover() -> None:
        pass

    service: Service[Any, Any] = Service("toy", (), Rules(None), Tables(None))
    loop: Loop[Any, Any] = Loop(
        service, 10, take, lambda _, items: done.extend(item.id for item in items), recover, lambda: NOW, Verifier({})
    )
    items = [Due(UUID(int=place), key, "wake", NOW) for place, key in enumerate("axbyz")]
    await loop._handle(items)
    assert done == [item.id for item in items]
    assert turns[0] == 5
    assert loop.unavailable is None


async def test_retries_end_with_their_task_also_where_a_client_swallowed_its_cancellation():
    """Else a worker that must end, as before a database that forgot, would wait for them for ever."""

    async def take(_: Sequence[Item], __: datetime) -> TurnResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError from None
        raise AssertionError

    async def recover() -> None:
        pass

    service: Service[Any, Any] = Service("toy", (), Rules(None), Tables(None))
    loop: Loop[Any, Any] = Loop(service, 10, take, lambda *_: None, recover, lambda: NOW, Verifier({}))
    async with asyncio.timeout(60):
        await assert_cancelled(loop._handle([Due(UUID(int=1), "a", "wake", NOW)]))

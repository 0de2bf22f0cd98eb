"""What runs beside a service does not die unnoticed."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from servicecert_worker.faults import Abandoned, beside


async def for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


async def fails() -> NoReturn:
    raise ZeroDivisionError


async def is_abandoned() -> NoReturn:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("part", "fault"), [(fails, ZeroDivisionError), (is_abandoned, Abandoned)])
async def test_a_part_that_dies_ends_what_it_runs_beside(part, fault) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(fault):
            async with beside(part()):
                await asyncio.Event().wait()


async def test_a_part_ends_with_the_context_and_what_that_raises_is_raised_as_it_is() -> None:
    before = asyncio.all_tasks()
    async with beside(for_ever()):
        await asyncio.sleep(0)
    with pytest.raises(ConnectionResetError):
        async with beside(for_ever()):
            raise ConnectionResetError
    assert asyncio.all_tasks() == before


async def test_whoever_is_cancelled_beside_a_part_stays_cancelled() -> None:
    async def runs() -> None:
        async with beside(for_ever()):
            await asyncio.Event().wait()

    task = asyncio.create_task(runs())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()

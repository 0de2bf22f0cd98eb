"""A process collects what broke, also when nothing else happens in it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import psutil
import pytest
from servicecert_worker.core.faults import background
from servicecert_worker.process.application import collect_garbage
from toy.stand import eventually


class Broken:
    """An object that only the collector finds."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """Collect only when told to."""
    before = gc.get_threshold()
    gc.disable()
    yield
    gc.enable()
    gc.set_threshold(*before)
    gc.unfreeze()


async def test_garbage_of_before_and_after_a_process_settled_is_collected() -> None:
    early = weakref.ref(Broken())
    async with background(collect_garbage(0.01, 0.01)):
        await eventually(lambda: _is_gone(early))
        assert gc.get_freeze_count() > 0
        late = weakref.ref(Broken())
        await eventually(lambda: _is_gone(late))


async def test_memory_that_a_backlog_took_is_given_back() -> None:
    process, blocks = psutil.Process(), [bytes(4_000) for _ in range(50_000)]
    most, last = process.memory_info().rss, blocks.pop()
    blocks.clear()
    # The last block keeps the C library from giving back by itself what is before it.
    assert process.memory_info().rss > most - 50_000_000, last[:0]
    async with background(collect_garbage(0.01, 0.01)):
        await eventually(lambda: _is_below(process, most - 150_000_000))


async def _is_below(process: psutil.Process, octets: int) -> bool:
    return process.memory_info().rss < octets


async def _is_gone(reference: weakref.ref[Broken]) -> bool:
    return reference() is None

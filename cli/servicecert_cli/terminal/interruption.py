"""Runs coroutines that stop cleanly on Ctrl-C and SIGTERM."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import TypeVar

import uvloop
from servicecert_worker.core.access import over_tls

from .output import at_work

T = TypeVar("T")


def run(work: Coroutine[None, None, T], *, is_end: bool = False, doing: str = "") -> T:
    """Run `work`, which prints nothing if a terminal shows what it is `doing`, and return its result.

    SIGINT and SIGTERM cancel it, a second signal ends the process at once.

    After the clean-up the process exits with 128 + the signal's number, or with 0 if a signal is the normal end
    (`is_end`).
    """
    with (
        at_work(doing) if doing else nullcontext(),
        asyncio.Runner(loop_factory=None if over_tls() else uvloop.new_event_loop) as runner,
    ):
        return runner.run(_interruptible(work, is_end=is_end))


async def _interruptible(work: Coroutine[None, None, T], *, is_end: bool) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    caught: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        if caught:
            # The second signal skips the clean-up; child processes end with this one all the same.
            os._exit(128 + number)
        caught.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        sys.exit(0 if is_end else 128 + caught[0])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

"""Ends a process that does not get on, so that a supervisor starts a better one.

An event loop that is blocked cannot watch itself, so its heartbeat is watched from a thread.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

log = logging.getLogger(__name__)

EX_SOFTWARE = 70


def give_up(why: str) -> None:
    """Ends the process at once. What was under way is done anew by whoever comes after."""
    log.critical("No progress: %s; the process ends, so that a supervisor starts it anew", why)
    os._exit(EX_SOFTWARE)


@contextmanager
def heartbeat(seconds: float) -> Iterator[Callable[[], None]]:
    """Gives a function that has to be called more often than every `seconds`, else the process ends."""
    beaten, over = [monotonic()], Event()

    def beat() -> None:
        beaten[0] = monotonic()

    def watch() -> None:
        while not over.wait(seconds / 4):
            if (silent := monotonic() - beaten[0]) > seconds:
                give_up(f"the event loop is blocked for {silent:.0f} s")

    Thread(target=watch, name="watchdog", daemon=True).start()
    try:
        yield beat
    finally:
        over.set()

"""Ends a process that makes no progress, so that a supervisor restarts it.

A blocked event loop cannot watch itself, so a thread watches its heartbeat.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

log = logging.getLogger(__name__)


def give_up(why: str) -> None:
    """End the process at once. Its successor repeats the work in progress."""
    log.critical("No progress: %s; the process exits so that a supervisor restarts it", why)
    os._exit(os.EX_SOFTWARE)


@contextmanager
def heartbeat(seconds: float) -> Iterator[Callable[[], None]]:
    """Yield a function to call at least every `seconds`; otherwise the process ends, if it ran meanwhile."""
    last_beat, over = [monotonic()], Event()

    def beat() -> None:
        last_beat[0] = monotonic()

    def watch() -> None:
        looked = monotonic()
        while not over.wait(seconds / 4):
            before, looked = looked, monotonic()
            if looked - before > seconds / 2:
                beat()  # The whole process was suspended, this thread too.
            elif (silent := looked - last_beat[0]) > seconds:
                give_up(f"the event loop is blocked for {silent:.0f} s")

    Thread(target=watch, name="watchdog", daemon=True).start()
    try:
        yield beat
    finally:
        over.set()

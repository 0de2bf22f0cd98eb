"""Monitor the machine's clock: a certificate with a wrong start is wrong for years.

It is not trusted if it jumped against the monotonic clock, differs from PostgreSQL's, or is before the last recorded
intent, until it is right again. After a correct jump, e.g. of a resumed machine, restart the issuer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

import asyncpg
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.faults import is_transient

from ..storage import QUERIES

log = logging.getLogger(__name__)

_POLL_SECONDS = 5.0


def steady_clock() -> float:
    """Return monotonic seconds, including sleep where the machine counts it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockMonitor:
    """Checks the machine's clock, which may be off by `limit`, without the shift of SERVICECERT_CLOCK_AHEAD."""

    def __init__(
        self, limit: timedelta, clock: Clock = machine_clock, steady: Callable[[], float] = steady_clock
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._steady = steady
        self._poll_seconds = _POLL_SECONDS
        self._trusted = (clock(), steady())
        self._compared: str | None = "The clock is not compared with PostgreSQL's yet."

    def fault(self) -> str | None:
        """Return why the clock is not trusted, and what to do; None where it is."""
        wall, steady = self._trusted
        jump = (self._clock() - wall) - timedelta(seconds=self._steady() - steady)
        if abs(jump) > self._limit:
            return (
                f"The machine's clock jumped by {_seconds(jump)}: correct it, or restart the issuer if it is right now."
            )
        return self._compared

    async def gauge(self) -> Mapping[str, float]:
        """Return the metric: 1 while the clock is not trusted."""
        return {"issuer": float(self.fault() is not None)}

    def compare(self, before: datetime, database: datetime, last: datetime | None) -> None:
        """Compare with PostgreSQL's clock, read between `before` and now, and the time of the last recorded intent."""
        after = self._clock()
        off = min(after - database, timedelta()) + max(before - database, timedelta())
        if abs(off) > self._limit:
            self._compared = f"The machine's clock differs from PostgreSQL's by {_seconds(off)}: correct the wrong one."
        elif last is not None and last - after > self._limit:
            self._compared = (
                f"The machine's clock is {_seconds(last - after)} before the last recorded intent: correct it."
            )
        else:
            self._compared = None
            if self.fault() is None:
                self._trusted = (after, self._steady())

    async def poll(self, pool: asyncpg.Pool[Any]) -> None:
        """Compare with PostgreSQL's clock. Nothing changes while PostgreSQL is unavailable."""
        before = self._clock()
        try:
            row = await pool.fetchrow(QUERIES["ask_clock"])
        except Exception as error:
            if not is_transient(error):
                raise
            return
        assert row is not None
        self.compare(before, row["now"], row["last"])

    async def watch(self, pool: asyncpg.Pool[Any]) -> NoReturn:
        """Poll, and log once when the clock becomes untrusted and when it is right again."""
        logged = False
        while True:
            await self.poll(pool)
            fault = self.fault()
            if fault is not None and not logged:
                log.error("Issuing stopped. %s", fault)
            elif fault is None and logged:
                log.warning("The machine's clock is right again: issuing continues")
            logged = fault is not None
            await asyncio.sleep(self._poll_seconds)


def _seconds(difference: timedelta) -> str:
    return f"{difference.total_seconds():+.0f} s"

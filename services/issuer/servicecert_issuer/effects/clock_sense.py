"""Whether the machine's clock can be trusted: a certificate that begins at a wrong moment is wrong for years.

Three things speak against a clock: that it jumped, beside the machine's steady clock; that PostgreSQL's is another one; that it lies before the last
intention that was recorded. It is trusted again by itself once it is right. A jump that was right, as when a paused machine goes on, is made
known by starting the issuer anew.
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

_LOOK_SECONDS = 5.0


def steady_clock() -> float:
    """Seconds that nobody sets, and that go on while the machine sleeps, where it counts those."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockSense:
    """Compares the machine's clock, which may be off by `limit`; SERVICECERT_CLOCK_AHEAD is added to it only afterwards."""

    def __init__(
        self, limit: timedelta, clock: Clock = machine_clock, steady: Callable[[], float] = steady_clock
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._steady = steady
        self._look_seconds = _LOOK_SECONDS
        self._trusted = (clock(), steady())
        self._compared: str | None = "The clock was not compared with PostgreSQL's yet."

    def fault(self) -> str | None:
        """Why the clock is not to be trusted now, and the way out; None where it is."""
        wall, steady = self._trusted
        jump = (self._clock() - wall) - timedelta(seconds=self._steady() - steady)
        if abs(jump) > self._limit:
            return f"The machine's clock jumped by {_seconds(jump)}: put it right, or start the issuer anew if it is right now."
        return self._compared

    async def shown(self) -> Mapping[str, float]:
        """For the metrics."""
        return {"issuer": float(self.fault() is not None)}

    def compare(self, before: datetime, database: datetime, last: datetime | None) -> None:
        """Takes in what PostgreSQL's clock said between `before` and now, and when the last intention was recorded."""
        after = self._clock()
        off = min(after - database, timedelta()) + max(before - database, timedelta())
        if abs(off) > self._limit:
            self._compared = (
                f"The machine's clock differs from PostgreSQL's by {_seconds(off)}: put right the one that is wrong."
            )
        elif last is not None and last - after > self._limit:
            self._compared = (
                f"The machine's clock lies {_seconds(last - after)} before the last intention recorded: put it right."
            )
        else:
            self._compared = None
            if self.fault() is None:
                self._trusted = (after, self._steady())

    async def look(self, pool: asyncpg.Pool[Any]) -> None:
        """Asks PostgreSQL. Where it does not answer, what was known of the clock stays."""
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
        """Asks again and again, and alarms once when the clock is not trusted any more."""
        alarmed = False
        while True:
            await self.look(pool)
            fault = self.fault()
            if fault is not None and not alarmed:
                log.error("Issuing stops. %s", fault)
            elif fault is None and alarmed:
                log.warning("The machine's clock is right again; issuing goes on")
            alarmed = fault is not None
            await asyncio.sleep(self._look_seconds)


def _seconds(difference: timedelta) -> str:
    return f"{difference.total_seconds():+.0f} s"

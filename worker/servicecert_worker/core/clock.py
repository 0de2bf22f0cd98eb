"""A worker's clock: the machine's time, or ahead of it, so that tests and the demonstration can skip months.

A worker and its service share one clock, passed to `open_service` and `decide`. Only the age of a record is measured by
the machine's clock, because other processes stamp records. No clock is trusted alone: `ClockGuard` compares it (F6).
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from .decider import Transient

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

_NONE = timedelta()


def machine_clock() -> datetime:
    """Return the machine's time, in UTC."""
    return datetime.now(UTC)


def clock_ahead(by: timedelta, of: Clock = machine_clock) -> Clock:
    return lambda: of() + by if by else of()


def steady_clock() -> float:
    """Return monotonic seconds, including sleep where the machine counts it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockWrong(Transient):
    """Nothing is decided by time, and nothing signed, until the clocks agree again (F6). The message says which."""


@dataclass
class ClockGuard:
    """Compares a clock with another one's last reading, which the steady clock carries on (F6).

    So it notices a jump at once, and that the clock is right again. `other` names the other clock, and `limit` is how
    far they may be apart.
    """

    limit: timedelta
    clock: Clock = machine_clock
    steady: Callable[[], float] = steady_clock
    other: str = "PostgreSQL's"
    _reading: tuple[datetime, float, float] | None = field(default=None, init=False)
    _newest: datetime | None = field(default=None, init=False)
    _is_wrong: bool = field(default=False, init=False)

    def compare(self, asked: float, there: datetime, newest: datetime | None = None) -> None:
        """Take the other clock's reading, made between `asked`, on the steady clock, and now. Raises ClockWrong.

        `newest` is the latest moment that was recorded by that clock: before it, it has gone back.
        """
        self._reading = there, asked, self.steady()
        self._newest = newest or self._newest
        self.require()

    def require(self) -> None:
        """Raise ClockWrong unless the clock is right. Log once that it is wrong, and once that it is right again."""
        fault = self.fault()
        if (fault is not None) is not self._is_wrong:
            self._is_wrong = fault is not None
            if fault:
                log.error("The clock is wrong: nothing is decided or signed. %s", fault)
            else:
                log.warning("The clock is right again: work goes on")
        if fault:
            raise ClockWrong(fault)

    def fault(self) -> str | None:
        """Return why the clock is not trusted, and what to do; None where it is, or was not compared yet."""
        if self._reading is None:
            return None
        there, asked, answered = self._reading
        now, steady = self.clock(), self.steady()
        latest, earliest = there + timedelta(seconds=steady - asked), there + timedelta(seconds=steady - answered)
        off = max(now - latest, _NONE) + min(now - earliest, _NONE)
        if abs(off) > self.limit:
            return f"The machine's clock differs from {self.other} by {_seconds(off)}: correct the wrong one."
        if self._newest is not None and self._newest - latest > self.limit:
            behind = _seconds(self._newest - latest).lstrip("+")
            return f"{self.other} clock is {behind} before its last record: correct it, or wait until it has passed."
        return None


def _seconds(difference: timedelta) -> str:
    return f"{difference.total_seconds():+.0f} s"

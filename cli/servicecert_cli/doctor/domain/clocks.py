"""Clocks of other machines, compared with this one's around a request."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .check import Finding, graded, ok

WARN_SECONDS, CRITICAL_SECONDS = 5.0, 60.0
"""A worker stops at 60 s (SERVICECERT_CLOCK_LIMIT_SECONDS)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Another machine's clock, read between `before` and `after` on this one. All aware."""

    before: datetime
    there: datetime
    after: datetime

    @property
    def skew(self) -> timedelta:
        """How far the other clock is certainly ahead of this one; negative: behind."""
        return max(self.there - self.after, timedelta()) + min(self.there - self.before, timedelta())


def judged(whose: str, reading: Reading) -> Finding:
    """Return whether two clocks agree."""
    seconds = reading.skew.total_seconds()
    if not seconds:
        return ok(f"{whose} clock agrees with this machine's.")
    text = f"{whose} clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's."
    return graded(abs(seconds), WARN_SECONDS, CRITICAL_SECONDS, text, "Synchronise both machines' clocks (NTP).")

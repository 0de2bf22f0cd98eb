"""A worker's clock: the machine's time, or ahead of it, so that tests and the demonstration can skip months.

A worker and its service share one clock, passed to `open_service` and `decide`. Only the age of a record is measured by
the machine's clock, because other processes stamp records.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def machine_clock() -> datetime:
    """Return the machine's time, in UTC."""
    return datetime.now(UTC)


def clock_ahead(by: timedelta, of: Clock = machine_clock) -> Clock:
    """Return a clock that runs ahead of another."""
    return lambda: of() + by if by else of()

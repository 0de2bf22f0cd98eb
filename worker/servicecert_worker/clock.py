"""What time it is for a worker: the machine's, or ahead of it, so that tests and the demonstration see months pass.

A worker and its service have one clock, given to `open_service` and `decide`. Only ages of records are told by the machine's clock, since others
stamped them.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def machine_clock() -> datetime:
    """What the machine's clock says, in UTC."""
    return datetime.now(UTC)


def clock_ahead(by: timedelta, of: Clock = machine_clock) -> Clock:
    """A clock that runs ahead of another."""
    return lambda: of() + by if by else of()

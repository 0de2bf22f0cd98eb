"""A lock on a table for which others wait: it is no outage, though it looks like one."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock on a table: its holder's process, transaction, user and program; two are equal as long as it is held.

    `since` is when the holder's transaction began, None where the login may not see that; `waiting` is the number of
    sessions that wait.
    """

    service: str
    table: str
    pid: int
    transaction: str
    user: str
    application: str
    since: datetime | None = field(compare=False, default=None)
    waiting: int = field(compare=False, default=0)

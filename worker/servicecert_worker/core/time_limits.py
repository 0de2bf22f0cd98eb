"""A clock for a time limit: it warns at half, at nine tenths, and when the limit has passed (E2).

It wakes at one mark at a time. If several marks passed while the service was down, only the last is reported.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned

MARKS = tuple(DeadlineMark)


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that runs from one moment to another; its end counts as passed only after `grace`."""

    kind: DeadlineKind
    since: datetime
    until: datetime
    grace: timedelta = timedelta()

    def wakes(self, mark: DeadlineMark) -> datetime:
        """Return when a mark is reached: a share of the whole time, weekends and nights included."""
        whole = self.until - self.since
        if mark is DeadlineMark.PASSED:
            return self.until + self.grace
        return self.since + (whole / 2 if mark is DeadlineMark.HALF else whole * 9 / 10)

    def reached(self, now: datetime) -> DeadlineMark | None:
        return next((mark for mark in reversed(MARKS) if self.wakes(mark) <= now), None)

    def warning(self, case_id: UUID, mark: DeadlineMark) -> DeadlineWarned:
        return DeadlineWarned(case_id=case_id, kind=self.kind, mark=mark, since=self.since, until=self.until)


def marks_after(mark: DeadlineMark | None) -> tuple[DeadlineMark, ...]:
    """Return the marks after one; all for None."""
    return MARKS if mark is None else MARKS[MARKS.index(mark) + 1 :]

"""A clock that must not run out unnoticed: it warns at half, at nine tenths, and when it has run out (E2).

It wakes at one mark at a time. Where several marks passed while nobody was awake, only the last is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned

MARKS = tuple(DeadlineMark)


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that runs since one moment until another; its end counts as passed once `grace` is over too."""

    kind: DeadlineKind
    since: datetime
    until: datetime
    grace: timedelta = timedelta()

    def wakes(self, mark: DeadlineMark) -> datetime:
        """Return when the clock is looked at for a mark: shares of the whole time by the clock, weekends and nights included."""
        whole = self.until - self.since
        if mark is DeadlineMark.PASSED:
            return self.until + self.grace
        return self.since + (whole / 2 if mark is DeadlineMark.HALF else whole * 9 / 10)

    def reached(self, now: datetime) -> DeadlineMark | None:
        """Return the last mark that was passed."""
        return next((mark for mark in reversed(MARKS) if self.wakes(mark) <= now), None)

    def warning(self, case_id: UUID, mark: DeadlineMark) -> DeadlineWarned:
        """Return the event that tells of a mark."""
        return DeadlineWarned(case_id=case_id, kind=self.kind, mark=mark, since=self.since, until=self.until)


def marks_after(mark: DeadlineMark | None) -> tuple[DeadlineMark, ...]:
    """Return the marks that are still to come after one; all where there was none."""
    return MARKS if mark is None else MARKS[MARKS.index(mark) + 1 :]

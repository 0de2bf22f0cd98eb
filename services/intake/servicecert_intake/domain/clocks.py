"""The clocks of a case: when an application has to be complete (A12), and a certificate delivered (A13).

A case has one clock at a time. Its deadline's kind is `<clock>/<mark>`.
"""

from datetime import datetime, timedelta
from types import MappingProxyType

from servicecert_schemas.case import CaseState
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark
from servicecert_worker.core.decider import Deadline, Due
from servicecert_worker.core.time_limits import Clock, marks_after

from .case import Case
from .deadlines import lapse_time

LAST_SECOND = timedelta(seconds=1)
"""The ends of both clocks are the last second of a day, and all of that second counts (A12, A13)."""

GRACE = timedelta(hours=1)
"""How long after its last day an application lapses, so that a supplement sent in time still counts."""

AGAIN = timedelta(minutes=1)
"""How long after a lapse that had to wait it is tried again."""

WAITS_FOR_TOPICS = MappingProxyType({f"{DeadlineKind.COMPLETION}/{mark}": GRACE for mark in DeadlineMark})
"""An application lapses only after all that was sent before was read, also after an outage. Any mark may be last."""

_PENDING = frozenset({CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED})
_UNDELIVERED = frozenset({CaseState.ACCEPTED, CaseState.ISSUED})


def clock_of(case: Case) -> Clock | None:
    """Return the running clock of a case. A supplement does not restart that of an incomplete application (A12)."""
    if case.state in _PENDING:
        submitted = case.entered[0].at
        return Clock(DeadlineKind.COMPLETION, submitted, lapse_time(submitted), LAST_SECOND + GRACE)
    if case.state in _UNDELIVERED and case.due is not None and case.complete_at is not None:
        return Clock(DeadlineKind.DELIVERY, case.complete_at, case.due, LAST_SECOND)
    return None


def is_late(case: Case, sent: datetime) -> bool:
    """Return whether an event of a pending case was sent after its last day (A12), whenever it is handled."""
    clock = clock_of(case)
    return clock is not None and clock.kind is DeadlineKind.COMPLETION and sent >= clock.until + LAST_SECOND


def clock_deadline(case: Case | None) -> Deadline | None:
    """Return the next deadline of a case's clock."""
    clock = None if case is None else clock_of(case)
    if clock is None or case is None:
        return None
    marks = marks_after(case.told)
    return Deadline(f"{clock.kind}/{marks[0]}", clock.wakes(marks[0])) if marks else None


def clock_changes(before: Case | None, after: Case | None) -> tuple[Deadline, ...]:
    """Return the clock deadlines to cancel and to set after a case changed."""
    old, new = clock_deadline(before), clock_deadline(after)
    if old == new:
        return ()
    cancelled = () if old is None or (new is not None and new.kind == old.kind) else (Deadline(old.kind, None),)
    return cancelled if new is None else (*cancelled, new)


def is_clock_deadline(due: Due) -> bool:
    """Return whether a deadline belongs to a clock."""
    return due.kind.partition("/")[0] in frozenset(DeadlineKind)

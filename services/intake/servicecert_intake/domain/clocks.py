"""The clocks of a case: until when an application has to be complete (A12) and a certificate delivered (A13).

A case has one clock at a time. The kind of its deadline names the clock and the mark, so that the open ones can be counted by it.
"""

from datetime import timedelta
from types import MappingProxyType

from servicecert_schemas.case import CaseState
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark
from servicecert_worker.decider import Deadline, Due
from servicecert_worker.domain.clocks import Clock, marks_after

from .case import Case
from .deadlines import lapse_time

GRACE = timedelta(hours=1)
"""How long after its end a case still does not lapse, so that a supplement which was sent in time and is under way is heard."""

HEARS_FIRST = MappingProxyType({f"{DeadlineKind.COMPLETION}/{mark}": GRACE for mark in DeadlineMark})
"""Before an application lapses all is heard that was sent until its end, also where nobody was awake for longer. Any mark may be the last."""

_PENDING = frozenset({CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED})
_UNDELIVERED = frozenset({CaseState.ACCEPTED, CaseState.ISSUED})


def clock_of(case: Case) -> Clock | None:
    """The clock that runs for a case. That of an incomplete application runs since it was first submitted: no supplement starts it anew (A12)."""
    if case.state in _PENDING:
        submitted = case.entered[0].at
        return Clock(DeadlineKind.COMPLETION, submitted, lapse_time(submitted), GRACE)
    if case.state in _UNDELIVERED and case.due is not None and case.complete_at is not None:
        return Clock(DeadlineKind.DELIVERY, case.complete_at, case.due)
    return None


def clock_deadline(case: Case | None) -> Deadline | None:
    """The moment at which a case's clock is to be looked at next."""
    clock = None if case is None else clock_of(case)
    if clock is None or case is None:
        return None
    left = marks_after(case.told)
    return Deadline(f"{clock.kind}/{left[0]}", clock.wakes(left[0])) if left else None


def rearmed(before: Case | None, after: Case | None) -> tuple[Deadline, ...]:
    """What changes for the clock's deadline with a case."""
    old, new = clock_deadline(before), clock_deadline(after)
    if old == new:
        return ()
    cancelled = () if old is None or (new is not None and new.kind == old.kind) else (Deadline(old.kind, None),)
    return cancelled if new is None else (*cancelled, new)


def is_of_clock(due: Due) -> bool:
    """Whether a deadline is one of a clock."""
    return due.kind.partition("/")[0] in frozenset(DeadlineKind)

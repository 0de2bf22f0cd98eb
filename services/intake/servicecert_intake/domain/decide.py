"""Intake's `decide`: dispatches what happened to a case.

`customer` decides a customer's events in order, `reports` adds other services' reports as facts, `judging` judges a
case again that waits for the registers.
"""

from dataclasses import replace
from datetime import datetime

from servicecert_pki.profiles import Profiles
from servicecert_schemas.application import ApplicationEvent
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import CertificateVoided
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CrlPublished
from servicecert_worker.core.decider import Deadline, Decision, Due, Event, Happened, Intent, Result

from . import customer, key_search
from .case import Case
from .clocks import AGAIN, clock_changes, clock_deadline, clock_of, is_clock_deadline, is_late
from .judging import reassess
from .knowledge import Context, Knowledge
from .moves import transition, with_view
from .reports import handle_report
from .rules import reassessment
from .rules.renewal import LookedUp


def decide(
    profiles: Profiles, case: Case | None, happened: Happened, known: Knowledge, now: datetime
) -> Decision[Case]:
    """Return the decision. Pure: the same arguments give the same decision, ids included."""
    decision = _decide(case, happened, Context(profiles, known, now))
    if decision.state is case:
        return decision
    return replace(decision, deadlines=(*decision.deadlines, *clock_changes(case, decision.state)))


def is_relevant(data: EventData) -> bool:
    """Return whether an event can change a customer's view: CRLs and voided serial numbers never do."""
    return not isinstance(data, CrlPublished | CertificateVoided)


def _decide(case: Case | None, happened: Happened, context: Context) -> Decision[Case]:
    match happened:
        case Event(data=ApplicationEvent() as data):
            return customer.handle_event(case, happened, data, context)
        case Event(data=KeyCompromised()):
            # `storage.prepare` has blocked the key.
            return Decision(case)
        case Event():
            return handle_report(case, happened, context.now)
        case Due(kind=key_search.SEARCH):
            return Decision(None, intents=(Intent(key_search.SEARCH, key_search.SearchOrder()),))
        case Result(data=key_search.Searched()):
            return Decision(None, deadlines=(Deadline(key_search.SEARCH, key_search.next_search(context.now)),))
        case _ if case is None:
            return Decision(None)
        case Result(data=LookedUp() as lookup):
            return customer.resume_after_lookup(case, lookup.followed, context)
        case Due(kind=customer.ASK_AGAIN):
            return customer.resume(case, context)
        case Due(kind=reassessment.REASSESS):
            return reassess(case, happened.id, context)
        case Due() if is_clock_deadline(happened):
            return _check_clock(case, happened.kind, context.now)
        case _:
            return Decision(case)


def _check_clock(case: Case, kind: str, now: datetime) -> Decision[Case]:
    """Warn once of each mark of the clock (E2). After its end an application that is still incomplete lapses (A12).

    An event that was sent in time and still waits, for an invitation or a lookup, is decided before that.
    """
    clock = clock_of(case)
    mark = None if clock is None else clock.reached(now)
    if clock is None or mark is None or mark is case.told:
        next = clock_deadline(case)
        return Decision(case, deadlines=() if next is None else (next,))
    if clock.kind is DeadlineKind.COMPLETION and mark is DeadlineMark.PASSED:
        if any(not is_late(case, each.time) for each in case.waiting):
            return Decision(case, deadlines=(Deadline(kind, now + AGAIN),))
        return with_view(transition(case, CaseState.LAPSED, now, csr=None))
    return Decision(replace(case, told=mark), (clock.warning(case.case_id, mark),))

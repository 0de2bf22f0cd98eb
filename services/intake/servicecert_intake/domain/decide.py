"""Intake as a decider: what follows from what happened to a case.

What a customer does is decided in its order (`customer`), what other services report is folded in as facts (`reports`).
A case that waits for the registers is judged again (`judging`), and its clock is looked at when it is due.
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
from servicecert_worker.decider import Deadline, Decision, Due, Event, Happened, Intent, Result

from . import customer, key_search
from .case import Case
from .clocks import clock_deadline, clock_of, is_of_clock, rearmed
from .judging import rechecked
from .knowledge import Context, Knowledge
from .moves import moved, shown
from .reports import reported
from .rules import recheck
from .rules.renewal import LookedUp


def decide(
    profiles: Profiles, case: Case | None, happened: Happened, known: Knowledge, now: datetime
) -> Decision[Case]:
    """What follows. Pure: the same arguments give the same decision, ids included."""
    decision = _follows(case, happened, Context(profiles, known, now))
    if decision.state is case:
        return decision
    return replace(decision, deadlines=(*decision.deadlines, *rearmed(case, decision.state)))


def is_relevant(data: EventData) -> bool:
    """Whether a customer's view can change with an event: a CRL is no case's, and a voided serial number is the issuer's matter."""
    return not isinstance(data, CrlPublished | CertificateVoided)


def _follows(case: Case | None, happened: Happened, context: Context) -> Decision[Case]:
    match happened:
        case Event(data=ApplicationEvent() as data):
            return customer.arrived(case, happened, data, context)
        case Event(data=KeyCompromised()):
            # It is blocked by now: see `storage.prepare`.
            return Decision(case)
        case Event():
            return reported(case, happened, context.now)
        case Due(kind=key_search.SEARCH):
            return Decision(None, intents=(Intent(key_search.SEARCH, key_search.SearchOrder()),))
        case Result(data=key_search.Searched()):
            return Decision(None, deadlines=(Deadline(key_search.SEARCH, key_search.next_search(context.now)),))
        case _ if case is None:
            return Decision(None)
        case Result(data=LookedUp() as found):
            return customer.looked_up(case, found.followed, context)
        case Due(kind=customer.ASK_AGAIN):
            return customer.gone_on(case, context)
        case Due(kind=recheck.RECHECK):
            return rechecked(case, happened.id, context)
        case Due() if is_of_clock(happened):
            return _clock_due(case, context.now)
        case _:
            return Decision(case)


def _clock_due(case: Case, now: datetime) -> Decision[Case]:
    """The clock is looked at: a mark that was reached is told once, and at its end an application that is still not complete lapses (A12, E2)."""
    clock = clock_of(case)
    mark = None if clock is None else clock.reached(now)
    if clock is None or mark is None or mark is case.told:
        next = clock_deadline(case)
        return Decision(case, deadlines=() if next is None else (next,))
    if clock.kind is DeadlineKind.COMPLETION and mark is DeadlineMark.PASSED:
        return shown(moved(case, CaseState.LAPSED, now, csr=None))
    return Decision(replace(case, told=mark), (clock.warning(case.case_id, mark),))

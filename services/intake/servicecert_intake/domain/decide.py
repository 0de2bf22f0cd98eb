"""Intake as a decider: what follows from what happened to a case.

What a customer does is decided in its order (`handling`): one that has to wait for what intake does not know yet lets those behind it wait too. What
other services report is folded in as facts (`outcomes`), and clocks are looked at when they are due (`clocks`).

An event that does not fit its case is answered in it. One whose user may not act in the case, or for which there is no case, is answered beside it, in
the same words (A2). What other services report of no case is unanswerable: nobody is known to tell, so an operator is.
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
from servicecert_schemas.revocation import CrlPublished, RevocationRefused
from servicecert_worker.decider import Decision, Due, Event, Happened, Unanswerable

from .case import Case
from .clocks import clock_deadline, clock_of, is_of_clock, rearmed, warning
from .handling import arrived, gone_on, looked_up
from .judging import rechecked
from .key_search import SEARCH_KEY, searched
from .knowledge import Knowledge
from .look_up import LookedUp
from .moves import changed, moved, refused_beside
from .outcomes import reported
from .rules.recheck import RECHECK
from .waiting import ASK_AGAIN


def decide(
    profiles: Profiles, case: Case | None, happened: Happened, known: Knowledge, now: datetime
) -> Decision[Case]:
    """What follows. Pure: the same arguments give the same decision, ids included."""
    if happened.key == SEARCH_KEY:
        return searched(happened, now)
    decision = _follows(profiles, case, happened, known, now)
    if decision.state is case:
        return decision
    return replace(decision, deadlines=(*decision.deadlines, *rearmed(case, decision.state)))


def heeds(data: EventData) -> bool:
    """Whether a customer's view can change with an event: a CRL is no case's, and a voided serial number is the issuer's matter."""
    return not isinstance(data, CrlPublished | CertificateVoided)


def _follows(
    profiles: Profiles, case: Case | None, happened: Happened, known: Knowledge, now: datetime
) -> Decision[Case]:
    if isinstance(happened, Event):
        if isinstance(happened.data, ApplicationEvent):
            return arrived(profiles, case, happened, happened.data, known, now)
        if isinstance(happened.data, KeyCompromised):
            # It is blocked by now: see `storage.prepare`.
            return Decision(case)
        if isinstance(happened.data, RevocationRefused) and not _shows(case, happened.data):
            return Decision(case, (refused_beside(happened.data, now),))
        if case is None:
            raise Unanswerable("no-such-case", "No application of this case was ever submitted.")
        return changed(case, reported(case, happened, now))
    if case is None:
        return Decision(None)
    if isinstance(happened, Due):
        return _due(profiles, case, happened, known, now)
    if isinstance(happened.data, LookedUp):
        return looked_up(profiles, case, happened.data.followed, known, now)
    return Decision(case)


def _shows(case: Case | None, refused: RevocationRefused) -> bool:
    """Whether a case may show that a revocation was refused: only to those who may act in it (D1)."""
    return case is not None and refused.in_case and refused.account_id == case.account_id


def _due(profiles: Profiles, case: Case, due: Due, known: Knowledge, now: datetime) -> Decision[Case]:
    if due.kind == RECHECK:
        return rechecked(profiles, case, due, known, now)
    if due.kind == ASK_AGAIN:
        return gone_on(profiles, case, known, now)
    return _clock_due(case, now) if is_of_clock(due) else Decision(case)


def _clock_due(case: Case, now: datetime) -> Decision[Case]:
    """The clock is looked at: a mark that was reached is told once, and at its end an application that is still not complete lapses (A12, E2)."""
    clock = clock_of(case)
    mark = None if clock is None else clock.reached(now)
    if clock is None or mark is None or mark is case.told:
        next = clock_deadline(case)
        return Decision(case, deadlines=() if next is None else (next,))
    if clock.kind is DeadlineKind.COMPLETION and mark is DeadlineMark.PASSED:
        return moved(case, CaseState.LAPSED, now, csr=None)
    return Decision(replace(case, told=mark), (warning(case, clock, mark),))

"""Intake as a decider: what follows from what happened to a case.

An application's events are judged by the rules. What other services report is folded in as facts (`outcomes`). Every change is one `CaseChanged`,
whose version grows by one.

An event that does not fit its case is answered in it. Where there is no case yet, a submission opens one, also if it is refused (A2), and so does a
supplement, which is refused: its form says all that the view needs. Any other event without a case is unanswerable: there is neither an
application to show nor anybody known to tell, so an operator is.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid5

from servicecert_pki.profiles import Profiles
from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
)
from servicecert_schemas.case import CaseState, GrantedDecision, HistoryEntry
from servicecert_schemas.certificate import ApplicationAccepted, CertificateVoided
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CrlPublished
from servicecert_worker.decider import Deadline, Decision, Due, Event, Happened, Unanswerable

from . import answers
from .case import Case
from .deadlines import day_of, due_time
from .outcomes import answered, reported
from .registers import Registers
from .rules import recheck
from .rules.actor import objection
from .rules.application import Application, JudgedCsr
from .rules.judgement import Grant, is_final, judge
from .rules.recipients import recipients
from .rules.wording import Wording
from .view import case_changed

MOST_ENTERED = 150
"""How many states of intake's own a history holds at most."""


def decide(
    profiles: Profiles, case: Case | None, happened: Happened, registers: Registers, now: datetime
) -> Decision[Case]:
    """What follows. Pure: the same arguments give the same decision, ids included."""
    if isinstance(happened, Due) and happened.kind == recheck.RECHECK and case is not None:
        return _rechecked(profiles, case, happened, registers, now)
    if not isinstance(happened, Event):
        return Decision(case)
    data = happened.data
    if not isinstance(data, ApplicationEvent):
        if case is None:
            raise _no_such_case()
        return _changed(case, reported(case, happened, now))
    if case is None:
        return _without_case(profiles, happened, data, registers, now)
    if (objected := objection(data, case.account_id) or _misfit(case, data)) is not None:
        return _answer(case, happened, objected, now)
    if isinstance(data, ApplicationWithdrawn):
        return _moved(case, CaseState.WITHDRAWN, now, csr=None, deficiencies=())
    renewed = _renewed(case, happened, data, now)
    return _checked(profiles, renewed, happened, registers, now, renewed.received_at)


def heeds(data: EventData) -> bool:
    """Whether a customer's view can change with an event: a CRL is no case's, and a voided serial number is the issuer's matter."""
    return not isinstance(data, CrlPublished | CertificateVoided)


def _without_case(
    profiles: Profiles, happened: Event, data: ApplicationEvent, registers: Registers, now: datetime
) -> Decision[Case]:
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented):
        raise _no_such_case()
    received_at = min(happened.time, now)
    opened = Case(
        case_id=data.case_id,
        account_id=data.actor.account_id,
        version=0,
        filed=CaseState.SUBMITTED,
        entered=(HistoryEntry(state=CaseState.SUBMITTED, at=received_at),),
        received_at=received_at,
        form=data.form,
        recipients=recipients(data.form),
        attachments=data.attachments,
        csr=_judged_csr(happened),
    )
    objected = objection(data, opened.account_id)
    if objected is None and isinstance(data, ApplicationSupplemented):
        objected = answers.NO_SUCH_CASE
    if objected is not None:
        refused = answered(opened, happened.id, objected.code, objected.texts(), now)
        return _moved(refused, CaseState.REFUSED, now, csr=None, answer=refused.answer)
    return _checked(profiles, opened, happened, registers, now, received_at)


def _no_such_case() -> Unanswerable:
    return Unanswerable("no-such-case", "No application of this case was ever submitted.")


def _misfit(case: Case, data: ApplicationEvent) -> Wording | None:
    """Why the event does not fit the case as it stands (A1, A15), if there is a reason."""
    if isinstance(data, ApplicationSubmitted):
        return answers.ALREADY_SUBMITTED
    return answers.TOO_LATE.get(case.state)


def _renewed(case: Case, happened: Event, data: ApplicationEvent, now: datetime) -> Case:
    """The case with the newest form, attachments and request. A supplement without a request leaves the earlier one (A10)."""
    received_at = max(case.received_at, min(happened.time, now))
    csr = _judged_csr(happened) or case.csr
    if not isinstance(data, ApplicationSupplemented):
        return replace(case, received_at=received_at, csr=csr)
    return replace(
        case,
        received_at=received_at,
        csr=csr,
        form=data.form,
        attachments=data.attachments,
        recipients=recipients(data.form),
    )


def _judged_csr(happened: Event) -> JudgedCsr | None:
    """What `examine` found out about the request that came with the event."""
    judged = happened.facts
    return judged if isinstance(judged, JudgedCsr) else None


def _rechecked(profiles: Profiles, case: Case, happened: Due, registers: Registers, now: datetime) -> Decision[Case]:
    """The case judged anew by the registers of today, if it still waits for them (A11). Where the same is lacking as before, nobody is told."""
    if not recheck.waits(case.state, case.deficiencies):
        return Decision(case)
    decision = _checked(profiles, case, happened, registers, now, now)
    after = decision.state
    if after is not None and after.filed is case.filed and recheck.same(case.deficiencies, after.deficiencies):
        return Decision(replace(case, judged_by=after.judged_by), deadlines=decision.deadlines)
    return decision


def _checked(
    profiles: Profiles, case: Case, happened: Event | Due, registers: Registers, now: datetime, as_of: datetime
) -> Decision[Case]:
    """The case after all rules were asked, as of a moment's day: that on which its newest part was sent (A10), or that of a recheck (A11)."""
    application = Application(case.form, case.attachments, case.csr)
    judged = judge(application, registers, profiles, day_of(as_of))
    if not isinstance(judged, Grant):
        state = CaseState.REFUSED if is_final(judged) else CaseState.RETURNED
        judged_by = registers.fingerprint if recheck.waits(state, judged) else None
        return _moved(case, state, now, deficiencies=judged, judged_by=judged_by)
    if case.csr is None or case.csr.der is None:
        return _moved(case, CaseState.WAITING_FOR_CSR, now, deficiencies=())
    return _accepted(case, case.csr.der, judged, happened, now, as_of)


def _accepted(
    case: Case, csr: str, grant: Grant, happened: Event | Due, now: datetime, complete: datetime
) -> Decision[Case]:
    """The case with its decision and due time (A13), and all that issuing needs. The request goes on with it and is not kept here.

    An application is `complete` when its last part was sent. One that waited for a register was not correct before, so its clock starts on the day of
    the recheck that finds it so (A11).
    """
    decision = GrantedDecision(decision_id=uuid5(case.case_id, str(happened.id)), date=day_of(now))
    due = due_time(complete)
    form = case.form
    accepted = ApplicationAccepted(
        case_id=case.case_id,
        account_id=case.account_id,
        decision_id=decision.decision_id,
        type=form.type,
        subject=grant.subject,
        names=grant.names,
        usages=grant.usages,
        csr=csr,
        start_date=form.start_date,
        validity_days=form.validity_days,
        due=due,
        language=form.language,
        recipients=case.recipients,
    )
    return _moved(case, CaseState.ACCEPTED, now, accepted, csr=None, deficiencies=(), due=due, decision=decision)


def _moved(case: Case, state: CaseState, now: datetime, *events: EventData, **parts: Any) -> Decision[Case]:
    """The decision that brings a case to a state of intake's own, with those parts of it that change. An earlier answer is over with it."""
    change: dict[str, Any] = {"answer": None, "judged_by": None, **parts}
    entered = _entered(case, state, now)
    after = replace(case, version=case.version + 1, filed=state, entered=entered, **change)
    return replace(_published(after, *events), deadlines=_deadlines(case, after, now))


def _deadlines(before: Case, after: Case, now: datetime) -> tuple[Deadline, ...]:
    """When the case is to be looked at again by itself: the next night while it waits for the registers (A11)."""
    if recheck.waits(after.state, after.deficiencies):
        return (Deadline(recheck.RECHECK, recheck.next_night(after.case_id, now)),)
    waited = recheck.waits(before.state, before.deficiencies)
    return (Deadline(recheck.RECHECK, None),) if waited else ()


def _entered(case: Case, state: CaseState, now: datetime) -> tuple[HistoryEntry, ...]:
    """When intake came to which state. Staying in a state is no new entry; of very many entries the first and the newest are kept."""
    if case.filed is state:
        return case.entered
    first, *later = case.entered
    return (first, *later[2 - MOST_ENTERED :], HistoryEntry(state=state, at=now))


def _answer(case: Case, happened: Event, wording: Wording, now: datetime) -> Decision[Case]:
    return _changed(case, answered(case, happened.id, wording.code, wording.texts(), now))


def _changed(before: Case, after: Case) -> Decision[Case]:
    """The decision for a case that may be another than before; nothing where it is the same."""
    return Decision(before) if after is before else _published(replace(after, version=before.version + 1))


def _published(case: Case, *events: EventData) -> Decision[Case]:
    return Decision(case, (case_changed(case), *events))

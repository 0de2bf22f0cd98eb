"""How a case moves: by a customer's event that fits it (A1, A15), by the judgement of its application (A10, A11)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from servicecert_pki.profiles import Profiles
from servicecert_pki.validity import day_of
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, ApplicationWithdrawn
from servicecert_schemas.case import CaseState, GrantedDecision, HistoryEntry
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted
from servicecert_schemas.event import is_canary
from servicecert_worker.core.decider import Deadline, Decision, Event, Intent

from .case import PENDING, REASSESS, Case, Forwarded
from .deadlines import due_time, next_night
from .examine import csr_of
from .knowledge import Knowledge
from .rules.applicant import with_canonical_mark
from .rules.application import Application, Grant, JudgedCsr
from .rules.deficiencies import SEVERITIES, Deficiencies, Severity
from .rules.judgement import judge
from .rules.recipients import recipients
from .rules.renewal import LOOK_UP, LookUp, renewal
from .view import TOO_LATE, AnswerCode

_ENDED = frozenset(
    {CaseState.WITHDRAWN, CaseState.REFUSED, CaseState.LAPSED, CaseState.REVOCATION_REQUESTED, CaseState.REVOKED}
)

MOST_SUPPLEMENTS = 500
"""How many supplements and requests of a case are judged at most (F5): each is a version of it for all readers."""

MOST_ENTERED = 150
"""How many states that intake decided a history holds at most."""


Judging: TypeAlias = Callable[[Case, UUID, datetime], Decision[Case]]
"""Judges a case, for a cause, as of a moment: `judged` with all that is known."""


def apply(
    case: Case, state: CaseState, happened: Event, judging: Judging, now: datetime
) -> tuple[Decision[Case], AnswerCode | None]:
    """Return the decision on an event in `state`, and the answer's code where the event does not fit."""
    match state, happened.data:
        case CaseState.SUBMITTED, ApplicationSubmitted():
            return _judge_with(case, happened, judging), None
        case _, ApplicationSubmitted() as data if state not in _ENDED:
            return Decision(case), _answer_resubmission(case, data, csr_of(happened), state)
        case CaseState.ACCEPTED, ApplicationWithdrawn():
            return _request_withdrawal(case, happened), AnswerCode.WITHDRAWAL_UNDER_WAY
        case _, ApplicationWithdrawn() if state in PENDING:
            return transition(case, CaseState.WITHDRAWN, now, csr=None, deficiencies=()), None
        case _ if state in PENDING and case.supplements >= MOST_SUPPLEMENTS:
            return Decision(case), AnswerCode.TOO_MANY_SUPPLEMENTS
        case _ if state in PENDING:
            return _judge_with(case, happened, judging), None
        case CaseState.LAPSED, _ if case.state is not CaseState.LAPSED:
            return transition(case, CaseState.LAPSED, now, csr=None), TOO_LATE[CaseState.LAPSED]
        case _:
            return Decision(case), TOO_LATE[state]


def _answer_resubmission(case: Case, data: ApplicationSubmitted, csr: JudgedCsr | None, state: CaseState) -> AnswerCode:
    """Return the answer to a second submission (A1): sending the same application again is no error."""
    # An accepted case keeps only the key of its request.
    sent, kept = csr or JudgedCsr(), case.csr or JudgedCsr(key=case.key)
    same_request = (sent.key, sent.faults) == (kept.key, kept.faults)
    sent_form, kept_form = with_canonical_mark(data.form), with_canonical_mark(case.form)
    same = same_request and (sent_form, data.attachments) == (kept_form, case.attachments)
    if same:
        return AnswerCode.ALREADY_RECEIVED
    return AnswerCode.ALREADY_SUBMITTED if state in PENDING else TOO_LATE[state]


def _request_withdrawal(case: Case, happened: Event) -> Decision[Case]:
    """Ask the issuer once to drop an accepted application: it decides whether the withdrawal came in time (A15)."""
    if case.withdrawal is not None:
        return Decision(case)
    return Decision(replace(case, withdrawal=happened.id), (AcceptedWithdrawn(case_id=case.case_id),))


def _judge_with(case: Case, happened: Event, judging: Judging) -> Decision[Case]:
    """Judge the case with what the event brings, after a lookup of the certificate that it follows (A14).

    A supplement without a request keeps the earlier one (A10).
    """
    data = happened.data
    newer = replace(case, received_at=max(case.received_at, happened.time), csr=csr_of(happened) or case.csr)
    if not isinstance(data, ApplicationSubmitted):
        newer = replace(newer, supplements=case.supplements + 1)
    if isinstance(data, ApplicationSubmitted | ApplicationSupplemented):
        before = {each.role: each.identity for each in case.recipients}
        after = recipients(data.form)
        corrected = {str(it.role): happened.time for it in after if before.get(it.role) != it.identity}
        newer = replace(
            newer,
            form=data.form,
            form_sent_at=happened.time,
            attachments=data.attachments,
            recipients=after,
            readdressed=tuple((dict(case.readdressed) | corrected).items()),
        )
    follows = newer.form.follows
    if follows and (newer.followed is None or newer.followed.typed != follows):
        return Decision(case, intents=(Intent(LOOK_UP, LookUp(account_id=case.account_id, typed=follows)),))
    decision = judging(newer, happened.id, newer.received_at)
    assert decision.state is not None
    is_again = case.filed is decision.state.filed is CaseState.RETURNED
    return replace(decision, state=replace(decision.state, returned_again=case.returned_again + is_again))


def judged(
    profiles: Profiles, known: Knowledge, now: datetime, case: Case, cause: UUID, as_of: datetime
) -> Decision[Case]:
    """Judge the case by all rules as of when its newest part was sent (A10), or of the reassessment (A11).

    The decision's id follows from `cause`, so that a repeated decision has the same id.
    """
    followed, csr = case.followed, case.csr
    # A lookup of another serial number does not count.
    earlier = followed.earlier if followed is not None and followed.typed == case.form.follows else None
    application = Application(
        case.form,
        case.attachments,
        csr,
        sent_at=case.form_sent_at or case.received_at,
        account=known.accounts.get(case.account_id),
        earlier=earlier,
        key=None if csr is None or csr.key is None else known.keys.get(csr.key.sha256),
        of_canary=is_canary(str(case.case_id)),
    )
    outcome, form = judge(application, known.registers, profiles, as_of)
    case = replace(case, form=form, renewal=renewal(application, outcome) if isinstance(outcome, Grant) else None)
    if not isinstance(outcome, Grant):
        # A supplement cannot correct it (A8).
        is_final = any(SEVERITIES[each.code] is Severity.REFUSED for each in outcome)
        state = CaseState.REFUSED if is_final else CaseState.RETURNED
        judged_by = known.registers.fingerprint if waits(state, outcome) else None
        # A lookup without a result is repeated with the next supplement (A10).
        kept = None if earlier is None else followed
        return transition(case, state, now, deficiencies=outcome, judged_by=judged_by, followed=kept)
    if csr is None or csr.der is None:
        return transition(case, CaseState.WAITING_FOR_CSR, now, deficiencies=())
    decision = GrantedDecision(decision_id=uuid5(case.case_id, str(cause)), date=day_of(now))
    forwarded = Forwarded(csr.der, profiles[case.form.type].version)
    due = due_time(as_of)
    accepted = transition(
        case,
        CaseState.ACCEPTED,
        now,
        csr=None,
        deficiencies=(),
        due=due,
        decision=decision,
        complete_at=as_of,
        told=None,
        grant=outcome,
        key=csr.key,
        forwarded=forwarded,
    )
    application_accepted = ApplicationAccepted(
        case_id=case.case_id,
        account_id=case.account_id,
        decision_id=decision.decision_id,
        type=case.form.type,
        subject=outcome.subject,
        names=outcome.names,
        usages=outcome.usages,
        csr=forwarded.csr,
        start_date=case.form.start_date,
        validity_days=case.form.validity_days,
        due=due,
        language=case.form.language,
        recipients=case.recipients,
        profile_version=forwarded.profile_version,
    )
    return replace(accepted, events=(application_accepted,))


def transition(case: Case, state: CaseState, now: datetime, **parts: Any) -> Decision[Case]:
    """Return the decision that moves a case to a state, with changed `parts` and without the last answer.

    Staying enters no state again. Of very many entered states the first and the newest are kept. A case that waits for
    the registers is judged again (A11).
    """
    entered = case.entered
    if case.filed is not state:
        first, *later = entered
        entered = (first, *later[2 - MOST_ENTERED :], HistoryEntry(state=state, at=max(now, entered[-1].at)))
    change: dict[str, Any] = {"answer": None, "judged_by": None, **parts}
    after = replace(case, filed=state, entered=entered, **change)
    if waits(after.state, after.deficiencies):
        return Decision(after, deadlines=(Deadline(REASSESS, next_night(case.case_id, now)),))
    was_waiting = waits(case.state, case.deficiencies)
    return Decision(after, deadlines=(Deadline(REASSESS, None),) if was_waiting else ())


def waits(state: CaseState, deficiencies: Deficiencies) -> bool:
    """Return whether a case in this state, with these deficiencies, waits for the registers (A11)."""
    return state is CaseState.RETURNED and any(SEVERITIES[each.code] is Severity.REASSESSED for each in deficiencies)

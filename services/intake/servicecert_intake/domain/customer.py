"""Decide a customer's events: permissions (A2, A3), order (I5), and whether they fit the case (A1, A12, A15).

An event that waits for an invitation or a lookup keeps its place: later events in the case are decided after it.
"""

from dataclasses import replace
from datetime import datetime

from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
)
from servicecert_schemas.case import Answer, CaseState, EventRefused, HistoryEntry
from servicecert_schemas.certificate import AcceptedWithdrawn
from servicecert_schemas.event import Role
from servicecert_schemas.membership import is_strongly_authenticated, role_of, role_or_wait
from servicecert_schemas.open_list import UnknownMember
from servicecert_schemas.rights import may
from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import Deadline, Decision, Event, Intent

from . import account_limits
from .answers import TOO_LATE, AnswerCode
from .case import Case, Waiting
from .clocks import is_late
from .examine import ApplicationParts
from .judging import judge_case
from .knowledge import Context
from .moves import transition, with_view
from .rules.application import JudgedCsr
from .rules.intermediary import with_canonical_mark
from .rules.renewal import LOOK_UP, Followed, LookUp

ASK_AGAIN = "ask-again"
"""The deadline at which the first waiting event of a case is checked again."""

MOST_WAITING = 10
"""How many events of a case wait at most. A further one is rejected: it can be sent again later."""


MOST_SUPPLEMENTS = 500
"""How many supplements and requests of a case are judged at most (F5): each is a version of it for all readers."""


def handle_event(case: Case | None, happened: Event, data: ApplicationEvent, context: Context) -> Decision[Case]:
    """Decide an event of a customer. Only a submission opens a case. An event's time is at most `now`."""
    now = context.now
    happened = replace(happened, time=min(happened.time, now))
    load, limits = context.known.loads.get(happened.id), context.known.limits
    opens = case is None and isinstance(data, ApplicationSubmitted)
    if load is not None and (too_much := account_limits.objection(limits, load, opens=opens)) is not None:
        texts = account_limits.texts_of(too_much, limits, load)
        return Decision(case, (_refusal(happened, data, too_much, now, texts),))
    if case is None and isinstance(data, ApplicationSubmitted):
        case = _open_case(happened, data)
    if case is None or data.actor.account_id != case.account_id:
        return Decision(case, (_refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    if not case.waiting:
        return _process(case, happened, data, now, context)
    if len(case.waiting) < MOST_WAITING:
        return Decision(replace(case, waiting=(*case.waiting, Waiting.of(happened, now))))
    # A user who was not invited does not learn that the case exists (A2).
    invited = role_of(data.actor, data.case_id, context.known.accounts, happened.time) is not None
    code = AnswerCode.TOO_MANY_AT_ONCE if invited else AnswerCode.NO_SUCH_CASE
    return Decision(case, (_refusal(happened, data, code, now),))


def resume(case: Case, context: Context) -> Decision[Case]:
    """Decide the waiting events in order, up to one that has to wait longer."""
    total = Decision(case)
    while case.waiting:
        head, *rest = case.waiting
        happened, data = head.event()
        decision = _process(replace(case, waiting=tuple(rest)), happened, data, head.since, context)
        assert decision.state is not None
        still_waits = len(decision.state.waiting) > len(rest)
        case = case if still_waits else decision.state
        deadlines = (*total.deadlines, *decision.deadlines)
        total = Decision(case, (*total.events, *decision.events), decision.intents, deadlines)
        if still_waits:
            break
    return total


def resume_after_lookup(case: Case, followed: Followed, context: Context) -> Decision[Case]:
    """Decide the waiting events after the lookup of the certificate that the application follows (A14)."""
    return resume(replace(case, followed=followed), context) if case.waiting else Decision(case)


def _process(case: Case, happened: Event, data: ApplicationEvent, since: datetime, context: Context) -> Decision[Case]:
    """Decide an event, received at `since`, that waits behind no other: check permission, then apply it."""
    now = context.now
    opens = case.filed is CaseState.SUBMITTED and isinstance(data, ApplicationSubmitted)
    invited_as = role_or_wait(data.actor, data.case_id, context.known.accounts, happened.time, since, now)
    if isinstance(invited_as, datetime):
        return _hold(case, happened, since, Decision(case, deadlines=(Deadline(ASK_AGAIN, invited_as),)))
    if invited_as is None and not opens:
        return Decision(case, (_refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    code = AnswerCode.NOT_A_MEMBER if invited_as is None else _objection(data, invited_as)
    if code is None:
        state = CaseState.SUBMITTED if opens else _state_at(case, happened.time)
        decision, code = _apply(case, state, happened, context)
    else:
        decision = transition(case, CaseState.REFUSED, now, csr=None) if opens else Decision(case)
    if decision.intents:
        return _hold(case, happened, since, decision)
    assert decision.state is not None
    answer = None if code is None else Answer(event_id=happened.id, code=code, texts=code.texts, at=now)
    after = replace(decision.state, answer=answer)
    return with_view(Decision(after, decision.events, deadlines=decision.deadlines))


def _objection(event: ApplicationEvent, invited_as: Role | UnknownMember) -> AnswerCode | None:
    """Return why an invited user may not do this, or None (A2, A3). The role of the membership counts."""
    if not is_strongly_authenticated(event.actor):
        return AnswerCode.NOT_STRONGLY_AUTHENTICATED
    return None if may(invited_as, event) else AnswerCode.ROLE_NOT_ALLOWED


def _apply(case: Case, state: CaseState, happened: Event, context: Context) -> tuple[Decision[Case], AnswerCode | None]:
    """Return the decision on an event in `state`, and the answer's code where the event does not fit."""
    match state, happened.data:
        case CaseState.SUBMITTED, ApplicationSubmitted():
            return _judge(case, happened, context), None
        case _, ApplicationSubmitted() as data:
            return Decision(case), _answer_resubmission(case, data, _parts(happened).csr)
        case CaseState.SUBMITTED | CaseState.WAITING_FOR_CSR | CaseState.RETURNED, ApplicationWithdrawn():
            return transition(case, CaseState.WITHDRAWN, context.now, csr=None, deficiencies=()), None
        case CaseState.SUBMITTED | CaseState.WAITING_FOR_CSR | CaseState.RETURNED, _:
            if case.supplements >= MOST_SUPPLEMENTS:
                return Decision(case), AnswerCode.TOO_MANY_SUPPLEMENTS
            return _judge(case, happened, context), None
        case CaseState.ACCEPTED, ApplicationWithdrawn():
            return _request_withdrawal(case, happened), AnswerCode.WITHDRAWAL_UNDER_WAY
        case CaseState.LAPSED, _ if case.state is not CaseState.LAPSED:
            return transition(case, CaseState.LAPSED, context.now, csr=None), TOO_LATE[CaseState.LAPSED]
        case _:
            return Decision(case), TOO_LATE[state]


def _hold(case: Case, happened: Event, since: datetime, until: Decision[Case]) -> Decision[Case]:
    """Put the event first among the waiting ones, until the deadline or the lookup that `until` starts."""
    held = replace(until, state=replace(case, waiting=(Waiting.of(happened, since), *case.waiting)))
    return with_view(held) if case.version == 0 else held


def _state_at(case: Case, sent: datetime) -> CaseState:
    """Return the state when an event was sent: lapsed after 6 months, even before the deadline ran (A12)."""
    return CaseState.LAPSED if is_late(case, sent) else case.state


def _refusal(
    happened: Event, data: ApplicationEvent, code: AnswerCode, now: datetime, texts: Texts | None = None
) -> EventRefused:
    """Return the answer to an event that is not shown in a case."""
    return EventRefused(
        event_id=happened.id,
        case_id=data.case_id,
        account_id=data.actor.account_id,
        code=code,
        texts=texts or code.texts,
        at=now,
    )


def _open_case(happened: Event, data: ApplicationSubmitted) -> Case:
    new = _parts(happened)
    return Case(
        case_id=data.case_id,
        account_id=data.actor.account_id,
        version=0,
        filed=CaseState.SUBMITTED,
        entered=(HistoryEntry(state=CaseState.SUBMITTED, at=happened.time),),
        received_at=happened.time,
        form=data.form,
        recipients=new.recipients,
        attachments=data.attachments,
        csr=new.csr,
    )


def _parts(happened: Event) -> ApplicationParts:
    """Return what `examine` read from the event."""
    assert isinstance(happened.facts, ApplicationParts)
    return happened.facts


def _judge(case: Case, happened: Event, context: Context) -> Decision[Case]:
    """Judge the case with the event's parts, after a lookup of the certificate that it follows (A14).

    A supplement without a request keeps the earlier one (A10).
    """
    new, data = _parts(happened), happened.data
    newer = replace(case, received_at=max(case.received_at, happened.time), csr=new.csr or case.csr)
    if not isinstance(data, ApplicationSubmitted):
        newer = replace(newer, supplements=case.supplements + 1)
    if isinstance(data, ApplicationSubmitted | ApplicationSupplemented):
        newer = replace(
            newer,
            form=data.form,
            form_sent_at=happened.time,
            attachments=data.attachments,
            recipients=new.recipients,
        )
    follows = newer.form.follows
    if follows and (newer.followed is None or newer.followed.typed != follows):
        return Decision(case, intents=(Intent(LOOK_UP, LookUp(account_id=case.account_id, typed=follows)),))
    return judge_case(newer, happened.id, newer.received_at, context)


def _request_withdrawal(case: Case, happened: Event) -> Decision[Case]:
    """Ask the issuer once to drop an accepted application: it decides whether the withdrawal came in time (A15)."""
    if case.withdrawal is not None:
        return Decision(case)
    return Decision(replace(case, withdrawal=happened.id), (AcceptedWithdrawn(case_id=case.case_id),))


def _answer_resubmission(case: Case, data: ApplicationSubmitted, csr: JudgedCsr | None) -> AnswerCode:
    """Return the answer to a second submission (A1): sending the same application again is no error."""
    # An accepted case keeps only the key of its request.
    sent, kept = csr or JudgedCsr(), case.csr or JudgedCsr(key=case.key)
    same_request = (sent.key, sent.faults) == (kept.key, kept.faults)
    sent_form, kept_form = with_canonical_mark(data.form), with_canonical_mark(case.form)
    same = same_request and (sent_form, data.attachments) == (kept_form, case.attachments)
    return AnswerCode.ALREADY_RECEIVED if same else AnswerCode.ALREADY_SUBMITTED

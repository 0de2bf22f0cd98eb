"""What a customer does with a case: who may (A2, A3), in which order, whether it fits (A1, A12, A15), what follows.

An event that has to wait for what intake does not know yet keeps its place: whatever the same account does in the case
after it is decided after it (I5).
"""

from dataclasses import replace
from datetime import datetime

from servicecert_schemas.application import ApplicationEvent, ApplicationSubmitted, ApplicationWithdrawn, CsrAttached
from servicecert_schemas.case import Answer, CaseState, EventRefused, HistoryEntry
from servicecert_schemas.certificate import AcceptedWithdrawn
from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import Role
from servicecert_worker.decider import Deadline, Decision, Event, Intent
from servicecert_worker.domain.membership import is_strongly_authenticated, role_of, role_or_wait

from .answers import TOO_LATE, AnswerCode
from .case import Case, Waiting
from .clocks import clock_of
from .examine import Received
from .judging import judged
from .knowledge import Context
from .moves import moved, shown
from .rules.application import JudgedCsr
from .rules.renewal import LOOK_UP, Followed, LookUp

ASK_AGAIN = "ask-again"
"""The deadline at which the first of a case's waiting events is asked again."""

_APPLICANTS = frozenset({Role.COLLEAGUE, Role.TECHNICAL_PARTNER})

MOST_WAITING = 10
"""How many events of a case wait at most. One more is answered at once: it is to be sent again later."""


def arrived(case: Case | None, happened: Event, data: ApplicationEvent, context: Context) -> Decision[Case]:
    """What follows from an event of a customer. Only a submission opens a case; nothing is sent later than it came."""
    now = context.now
    happened = replace(happened, time=min(happened.time, now))
    if case is None and isinstance(data, ApplicationSubmitted):
        case = _opened(happened, data)
    if case is None or data.actor.account_id != case.account_id:
        return Decision(case, (_refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    if not case.waiting:
        return _in_turn(case, happened, data, now, context)
    if len(case.waiting) < MOST_WAITING:
        return Decision(replace(case, waiting=(*case.waiting, Waiting.of(happened, now))))
    # Who was not invited does not learn that there is a case in which something waits (A2).
    invited = role_of(data.actor, data.case_id, context.known.accounts, happened.time) is not None
    code = AnswerCode.TOO_MANY_AT_ONCE if invited else AnswerCode.NO_SUCH_CASE
    return Decision(case, (_refusal(happened, data, code, now),))


def gone_on(case: Case, context: Context) -> Decision[Case]:
    """What follows from the events that wait, in their order, up to one that has to wait on."""
    whole = Decision(case)
    while case.waiting:
        head, *rest = case.waiting
        happened, data = head.event()
        followed = _in_turn(replace(case, waiting=tuple(rest)), happened, data, head.since, context)
        assert followed.state is not None
        waits_on = len(followed.state.waiting) > len(rest)
        case = case if waits_on else followed.state
        deadlines = (*whole.deadlines, *followed.deadlines)
        whole = Decision(case, (*whole.events, *followed.events), followed.intents, deadlines)
        if waits_on:
            break
    return whole


def looked_up(case: Case, found: Followed, context: Context) -> Decision[Case]:
    """What follows once the certificate that an application follows was looked up (A14)."""
    return gone_on(replace(case, followed=found), context) if case.waiting else Decision(case)


def _in_turn(case: Case, happened: Event, data: ApplicationEvent, since: datetime, context: Context) -> Decision[Case]:
    """What follows from an event whose turn it is: whether its user may, then the table. It came at `since`."""
    now = context.now
    opens = case.filed is CaseState.SUBMITTED and isinstance(data, ApplicationSubmitted)
    invited_as = role_or_wait(data.actor, data.case_id, context.known.accounts, happened.time, since, now)
    if isinstance(invited_as, datetime):
        return _held(case, happened, since, Decision(case, deadlines=(Deadline(ASK_AGAIN, invited_as),)))
    if invited_as is None and not opens:
        return Decision(case, (_refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    code = AnswerCode.NOT_A_MEMBER if invited_as is None else _objection(data, invited_as)
    if code is None:
        state = CaseState.SUBMITTED if opens else _state_at(case, happened.time)
        followed, code = _move(case, state, happened, context)
    else:
        followed = moved(case, CaseState.REFUSED, now, csr=None) if opens else Decision(case)
    if followed.intents:
        return _held(case, happened, since, followed)
    assert followed.state is not None
    answer = None if code is None else Answer(event_id=happened.id, code=code, texts=code.texts, at=now)
    after = replace(followed.state, answer=answer)
    return shown(Decision(after, followed.events, deadlines=followed.deadlines))


def _objection(event: ApplicationEvent, invited_as: Role) -> AnswerCode | None:
    """Why a user who was invited may not do this, if there is a reason (A2).

    A technical contact was invited for the certificate request alone (A3). Who acts in a lesser role than the invitation's has the lesser's rights.
    """
    role = event.actor.role
    if not is_strongly_authenticated(event.actor):
        return AnswerCode.NOT_STRONGLY_AUTHENTICATED
    if {invited_as, role} <= _APPLICANTS or (isinstance(event, CsrAttached) and role is not Role.OPERATOR):
        return None
    return AnswerCode.ROLE_NOT_ALLOWED


def _move(case: Case, state: CaseState, happened: Event, context: Context) -> tuple[Decision[Case], AnswerCode | None]:
    """The table of moves: what follows from an event in a state, and what is answered where it does not fit."""
    match state, happened.data:
        case CaseState.SUBMITTED, ApplicationSubmitted():
            return _judged(case, happened, context), None
        case _, ApplicationSubmitted():
            return Decision(case), _submitted_again(case, happened)
        case CaseState.SUBMITTED | CaseState.WAITING_FOR_CSR | CaseState.RETURNED, ApplicationWithdrawn():
            return moved(case, CaseState.WITHDRAWN, context.now, csr=None, deficiencies=()), None
        case CaseState.SUBMITTED | CaseState.WAITING_FOR_CSR | CaseState.RETURNED, _:
            return _judged(case, happened, context), None
        case CaseState.ACCEPTED, ApplicationWithdrawn():
            return _asked_back(case, happened), AnswerCode.WITHDRAWAL_UNDER_WAY
        case CaseState.LAPSED, _ if case.state is not CaseState.LAPSED:
            return moved(case, CaseState.LAPSED, context.now, csr=None), TOO_LATE[CaseState.LAPSED]
        case _:
            return Decision(case), TOO_LATE[state]


def _held(case: Case, happened: Event, since: datetime, until: Decision[Case]) -> Decision[Case]:
    """The case with the event waiting before all others, until a deadline, or until something is found out."""
    held = replace(until, state=replace(case, waiting=(Waiting.of(happened, since), *case.waiting)))
    return shown(held) if case.version == 0 else held


def _state_at(case: Case, sent: datetime) -> CaseState:
    """The state that an event meets: after 6 months the case is lapsed, though nobody looked at its clock yet (A12)."""
    clock = clock_of(case)
    late = clock is not None and clock.kind is DeadlineKind.COMPLETION and sent > clock.until
    return CaseState.LAPSED if late else case.state


def _refusal(happened: Event, data: ApplicationEvent, code: AnswerCode, now: datetime) -> EventRefused:
    """The answer to an event that no case answers."""
    account_id = data.actor.account_id
    return EventRefused(
        event_id=happened.id, case_id=data.case_id, account_id=account_id, code=code, texts=code.texts, at=now
    )


def _opened(happened: Event, data: ApplicationSubmitted) -> Case:
    new = _received(happened)
    return Case(
        case_id=data.case_id,
        account_id=data.actor.account_id,
        version=0,
        filed=CaseState.SUBMITTED,
        entered=(HistoryEntry(state=CaseState.SUBMITTED, at=happened.time),),
        received_at=happened.time,
        form=new.form or data.form,
        recipients=new.recipients,
        attachments=new.attachments,
        csr=new.csr,
    )


def _received(happened: Event) -> Received:
    """What `examine` read in the event."""
    assert isinstance(happened.facts, Received)
    return happened.facts


def _judged(case: Case, happened: Event, context: Context) -> Decision[Case]:
    """The case judged with all that the event brings, once the certificate that it follows was looked up (A14).

    A supplement without a request leaves the earlier one (A10).
    """
    new = _received(happened)
    newer = replace(case, received_at=max(case.received_at, happened.time), csr=new.csr or case.csr)
    if new.form is not None:
        newer = replace(newer, form=new.form, attachments=new.attachments, recipients=new.recipients)
    follows = newer.form.follows
    if follows and (newer.followed is None or newer.followed.typed != follows):
        return Decision(case, intents=(Intent(LOOK_UP, LookUp(account_id=case.account_id, typed=follows)),))
    return judged(newer, happened.id, newer.received_at, context)


def _asked_back(case: Case, happened: Event) -> Decision[Case]:
    """The issuer is asked to let an accepted application go, once: it says which came first (A15)."""
    if case.withdrawal is not None:
        return Decision(case)
    return Decision(replace(case, withdrawal=happened.id), (AcceptedWithdrawn(case_id=case.case_id),))


def _submitted_again(case: Case, happened: Event) -> AnswerCode:
    """A case is opened once (A1). Whoever sends the same application again has done nothing wrong."""
    new = _received(happened)
    # Of an accepted application the key alone is kept of its request.
    sent, kept = new.csr or JudgedCsr(), case.csr or JudgedCsr(key=case.key)
    same_request = (sent.key, sent.faults) == (kept.key, kept.faults)
    same = same_request and (new.form, new.attachments) == (case.form, case.attachments)
    return AnswerCode.ALREADY_RECEIVED if same else AnswerCode.ALREADY_SUBMITTED

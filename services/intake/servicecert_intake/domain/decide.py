"""Intake's `decide`: what happened moves a case, and the decision shows how (E1).

A customer's events are decided in order (I5), within the limits of the account (F5), by who may send them (A2, A3).
One that waits for an invitation or a lookup keeps its place: later events in the case are decided after it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from servicecert_pki.profiles import Profiles
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    CsrAttached,
)
from servicecert_schemas.case import Answer, CaseState, EventRefused, HistoryEntry
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused, IssuingStopped
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark
from servicecert_schemas.event import Role
from servicecert_schemas.mail import MailBounced, MailGivenUp, MailHandedOver, MailRefused
from servicecert_schemas.membership import is_strongly_authenticated, may, role_or_wait
from servicecert_schemas.open_list import UnknownMember
from servicecert_schemas.revocation import CertificateRevoked, KeyCompromised, RevocationRefused, RevocationRegistered
from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import (
    Deadline,
    Decision,
    Due,
    Event,
    Handlers,
    Happened,
    Intent,
    Result,
    unchanged,
)

from .case import LAST_SECOND, REASSESS, Case, Waiting
from .examine import csr_of
from .knowledge import HOUR, Knowledge, Limits, Load
from .moves import Judging, apply, judged, transition, waits
from .reports import handle_report
from .rules.csr import SEARCH, Searched, SearchOrder, next_search
from .rules.deficiencies import filled
from .rules.recipients import recipients
from .rules.renewal import LookedUp
from .view import ANSWERS, AnswerCode, case_changed, joined

ASK_AGAIN = "ask-again"
"""The deadline at which the first waiting event of a case is checked again."""

MOST_WAITING = 10
"""How many events of a case wait at most. A further one is rejected: it can be sent again later."""

LAPSE_AGAIN = timedelta(minutes=1)
"""How long after a lapse that had to wait it is tried again."""


def decide(
    profiles: Profiles, state: Case | None, happened: Happened, known: Knowledge, now: datetime
) -> Decision[Case]:
    """Return the decision. Pure: the same arguments give the same decision, ids included."""
    decision = _decide(state, happened, known, partial(judged, profiles, known, now), now)
    if decision.state is state:
        return decision
    old, new = (None if each is None else each.clock_deadline for each in (state, decision.state))
    if old == new:
        return decision
    cancelled = () if old is None or (new is not None and new.kind == old.kind) else (Deadline(old.kind, None),)
    return replace(decision, deadlines=(*decision.deadlines, *cancelled, *(() if new is None else (new,))))


def _decide(case: Case | None, happened: Happened, known: Knowledge, judging: Judging, now: datetime) -> Decision[Case]:
    match happened:
        case Event():
            return HANDLERS.get(type(happened.data), unchanged)(case, happened, known, judging, now)
        case Due(kind=kind) if kind == SEARCH:
            return Decision(None, intents=(Intent(SEARCH, SearchOrder()),))
        case Result(data=Searched()):
            return Decision(None, deadlines=(Deadline(SEARCH, next_search(now)),))
        case _:
            return Decision(None) if case is None else _wake(case, happened, known, judging, now)


def _receive(case: Case | None, sent: Event, known: Knowledge, judging: Judging, now: datetime) -> Decision[Case]:
    """Decide an event of a customer. Only a submission opens a case."""
    happened = replace(sent, time=min(sent.time, now))
    data = happened.data
    assert isinstance(data, ApplicationEvent)
    role = role_or_wait(data.actor, data.case_id, known.accounts, happened.time, now, now, known.heard)
    load = known.loads.get(happened.id)
    opens = case is None and isinstance(data, ApplicationSubmitted)
    if load is not None and (code := _too_much(load, known.limits, opens=opens)) is not None:
        return Decision(case, (_refusal(happened, data, code, now, _filled(ANSWERS[code], load, known.limits)),))
    if case is None and isinstance(data, ApplicationSubmitted):
        case = _opened(happened, data)
    if case is None or data.actor.account_id != case.account_id:
        return Decision(case, (_refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    if not case.waiting:
        return _process(case, happened, data, role, now, judging, now)
    if len(case.waiting) < MOST_WAITING:
        return Decision(replace(case, waiting=(*case.waiting, Waiting.of(happened, now))))
    # A user who was not invited does not learn that the case exists (A2).
    code = AnswerCode.NO_SUCH_CASE if isinstance(role, datetime) else AnswerCode.TOO_MANY_AT_ONCE
    return Decision(case, (_refusal(happened, data, code, now),))


def _too_much(load: Load, limits: Limits, *, opens: bool) -> AnswerCode | None:
    if load.events >= limits.events:
        return AnswerCode.TOO_MANY_EVENTS
    return AnswerCode.TOO_MANY_UNFINISHED if opens and load.unfinished >= limits.unfinished else None


def _filled(texts: Texts, load: Load, limits: Limits) -> Texts:
    """Return the answer's text, with the limit and the time after which the event can be sent again."""
    again = (load.hour + HOUR).astimezone(HELSINKI)
    nordic = f"{again:%-H.%M}"
    time = Texts(sv=nordic, fi=nordic, en=f"{again:%H:%M}")
    return filled(texts, events=str(limits.events), unfinished=str(limits.unfinished), again=time)


def _refusal(
    happened: Event, data: ApplicationEvent, code: AnswerCode, now: datetime, texts: Texts | None = None
) -> EventRefused:
    return EventRefused(
        event_id=happened.id,
        case_id=data.case_id,
        account_id=data.actor.account_id,
        code=code,
        texts=texts or ANSWERS[code],
        at=now,
    )


def _opened(happened: Event, data: ApplicationSubmitted) -> Case:
    return Case(
        case_id=data.case_id,
        account_id=data.actor.account_id,
        version=0,
        filed=CaseState.SUBMITTED,
        entered=(HistoryEntry(state=CaseState.SUBMITTED, at=happened.time),),
        received_at=happened.time,
        form=data.form,
        recipients=recipients(data.form),
        attachments=data.attachments,
        csr=csr_of(happened),
    )


def _wake(case: Case, happened: Due | Result, known: Knowledge, judging: Judging, now: datetime) -> Decision[Case]:
    match happened:
        case Result(data=LookedUp(followed=followed)) if case.waiting:
            return _resume(replace(case, followed=followed), known, judging, now)
        case Due(kind=kind) if kind == ASK_AGAIN:
            return _resume(case, known, judging, now)
        case Due(kind=kind) if kind == REASSESS:
            return _reassess(case, happened.id, judging, now)
        case Due(kind=kind) if kind.partition("/")[0] in frozenset(DeadlineKind):
            return _check_clock(case, kind, now)
        case _:
            return Decision(case)


def _resume(case: Case, known: Knowledge, judging: Judging, now: datetime) -> Decision[Case]:
    """Decide the waiting events in order, up to one that has to wait longer."""
    total = Decision(case)
    while case.waiting:
        head, *rest = case.waiting
        happened, data = head.event()
        role = role_or_wait(data.actor, data.case_id, known.accounts, happened.time, head.since, now, known.heard)
        decision = _process(replace(case, waiting=tuple(rest)), happened, data, role, head.since, judging, now)
        assert decision.state is not None
        still_waits = len(decision.state.waiting) > len(rest)
        case = case if still_waits else decision.state
        deadlines = (*total.deadlines, *decision.deadlines)
        total = Decision(case, (*total.events, *decision.events), decision.intents, deadlines)
        if still_waits:
            break
    return total


def _process(
    case: Case,
    happened: Event,
    data: ApplicationEvent,
    role: Role | UnknownMember | datetime | None,
    since: datetime,
    judging: Judging,
    now: datetime,
) -> Decision[Case]:
    """Decide an event, received at `since`, that waits behind no other: check permission, then apply it.

    It waits on, the first of the case, for an invitation that may be on its way, or for a lookup.
    """
    opens = case.filed is CaseState.SUBMITTED and isinstance(data, ApplicationSubmitted)
    if role is None and not opens:
        return Decision(case, (_refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    code = None
    if isinstance(role, datetime):
        decision = Decision(case, deadlines=(Deadline(ASK_AGAIN, role),))
    elif (code := _objection(data, role)) is None:
        state = CaseState.SUBMITTED if opens else CaseState.LAPSED if _is_late(case, happened.time) else case.state
        decision, code = apply(case, state, happened, judging, now)
    else:
        decision = transition(case, CaseState.REFUSED, now, csr=None) if opens else Decision(case)
    if decision.intents or isinstance(role, datetime):
        held = replace(decision, state=replace(case, waiting=(Waiting.of(happened, since), *case.waiting)))
        return _with_view(held) if case.version == 0 else held
    assert decision.state is not None
    answer = None if code is None else Answer(event_id=happened.id, code=code, texts=_told(case, code), at=now)
    return _with_view(replace(decision, state=replace(decision.state, answer=answer)))


def _told(case: Case, code: AnswerCode) -> Texts:
    """Return the text of an answer, after why issuing was refused: the answer that said so is replaced by this one."""
    return ANSWERS[code] if case.refusal is None else joined(case.refusal, ANSWERS[code])


def _objection(event: ApplicationEvent, role: Role | UnknownMember | None) -> AnswerCode | None:
    """Return why a user may not do this, or None (A2, A3). The role of the membership counts."""
    if role is None:
        return AnswerCode.NOT_A_MEMBER
    if not is_strongly_authenticated(event.actor):
        return AnswerCode.NOT_STRONGLY_AUTHENTICATED
    return None if may(role, event) else AnswerCode.ROLE_NOT_ALLOWED


def _is_late(case: Case, sent: datetime) -> bool:
    """Return whether an event of a pending case was sent after its last day (A12), whenever it is handled."""
    return case.lapses is not None and sent >= case.lapses + LAST_SECOND


def _reassess(case: Case, cause: UUID, judging: Judging, now: datetime) -> Decision[Case]:
    """Judge a case again that waits for the registers (A11). Publish nothing where the deficiencies are the same.

    Other suggestions do not count. An event that waits, for an invitation or a lookup, was sent before: it comes first.
    """
    if not waits(case.state, case.deficiencies) or _is_late(case, now):
        return Decision(case)
    if case.waiting:
        return Decision(case, deadlines=(Deadline(REASSESS, now + LAPSE_AGAIN),))
    decision = judging(case, cause, now)
    after = decision.state
    assert after is not None
    before, lacking = ([(each.code, each.field) for each in one.deficiencies] for one in (case, after))
    if after.filed is case.filed and before == lacking:
        return Decision(replace(case, judged_by=after.judged_by), deadlines=decision.deadlines)
    return _with_view(decision)


def _check_clock(case: Case, kind: str, now: datetime) -> Decision[Case]:
    """Warn once of each mark of the clock (E2). After its end an application that is still incomplete lapses (A12).

    An event that was sent in time and still waits, for an invitation or a lookup, is decided before that.
    """
    clock = case.clock
    mark = None if clock is None else clock.reached(now)
    if clock is None or mark is None or mark is case.told:
        again = case.clock_deadline
        return Decision(case, deadlines=() if again is None else (again,))
    if clock.kind is DeadlineKind.COMPLETION and mark is DeadlineMark.PASSED:
        if any(not _is_late(case, each.time) for each in case.waiting):
            return Decision(case, deadlines=(Deadline(kind, now + LAPSE_AGAIN),))
        return _with_view(transition(case, CaseState.LAPSED, now, csr=None))
    return Decision(replace(case, told=mark), (clock.warning(case.case_id, mark),))


def _with_view(decision: Decision[Case]) -> Decision[Case]:
    """Return the decision with the next version of the case and its `CaseChanged` (E1, E4)."""
    assert decision.state is not None
    after = replace(decision.state, version=decision.state.version + 1)
    return replace(decision, state=after, events=(case_changed(after), *decision.events))


def _report(case: Case | None, event: Event, _known: Knowledge, _judging: Judging, now: datetime) -> Decision[Case]:
    reported = handle_report(case, event, now)
    return reported if reported.state is case else _with_view(reported)


def _answer(case: Case | None, event: Event, *_: object) -> Decision[Case]:
    return Decision(case, (event.data,))


_OF_CUSTOMERS = (ApplicationSubmitted, ApplicationSupplemented, CsrAttached, ApplicationWithdrawn)
_OF_SERVICES = (
    *(CertificateIssued, IssuingRefused, IssuingStopped),
    *(RevocationRegistered, RevocationRefused, CertificateRevoked),
    *(MailHandedOver, MailRefused, MailGivenUp, MailBounced),
)
HANDLERS: Handlers = {
    **dict.fromkeys(_OF_CUSTOMERS, _receive),
    **dict.fromkeys(_OF_SERVICES, _report),
    EventRefused: _answer,
    # `storage.prepare` has blocked the key.
    KeyCompromised: unchanged,
}
"""CRLs and voided serial numbers change no customer's view."""

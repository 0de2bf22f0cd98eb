"""What a customer does with a case: who may (A2, A3), in which order, whether it fits (A1, A12, A15), and then what the rules say.

An event that waits keeps its place: whatever the same account does in the case after it is decided after it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from servicecert_pki.profiles import Profiles
from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
)
from servicecert_schemas.case import CaseState, HistoryEntry
from servicecert_schemas.certificate import AcceptedWithdrawn
from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import EventData
from servicecert_worker.decider import Deadline, Decision, Event, Intent

from .answers import TOO_LATE, AnswerCode
from .case import Case
from .clocks import clock_of
from .judging import checked
from .knowledge import Knowledge
from .look_up import LOOK_UP, LookUp
from .moves import answer, moved, published, refusal
from .outcomes import answered
from .rules.actor import membership, objection
from .rules.application import JudgedCsr
from .rules.recipients import recipients
from .rules.renewal import Followed
from .rules.typed import attachments_as_meant, form_as_meant
from .waiting import ASK_AGAIN, MOST_WAITING, Waiting, next_asking


@dataclass(frozen=True, slots=True)
class Wait:
    """An event cannot be decided yet: until a deadline, or until something is found out."""

    deadlines: tuple[Deadline, ...] = ()
    intents: tuple[Intent, ...] = ()


def arrived(
    profiles: Profiles, case: Case | None, happened: Event, data: ApplicationEvent, known: Knowledge, now: datetime
) -> Decision[Case]:
    """What follows from an event of a customer. Only a submission opens a case."""
    if case is None:
        if not isinstance(data, ApplicationSubmitted):
            return Decision(None, (refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
        case = _opened(happened, data, now)
    elif data.actor.account_id != case.account_id:
        return Decision(case, (refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))
    elif case.waiting:
        return _queued(case, happened, data, known, now)
    followed = _handled(profiles, case, happened, data, now, known, now)
    if isinstance(followed, Decision):
        return followed
    held = replace(case, waiting=(Waiting.of(happened, now),))
    shown = published(replace(held, version=1)) if case.version == 0 else Decision(held)
    return replace(shown, intents=followed.intents, deadlines=followed.deadlines)


def gone_on(profiles: Profiles, case: Case, known: Knowledge, now: datetime) -> Decision[Case]:
    """What follows from the events that wait, in their order, up to one that has to wait on."""
    events: list[EventData] = []
    deadlines: list[Deadline] = []
    while case.waiting:
        head, *rest = case.waiting
        happened = head.event()
        assert isinstance(happened.data, ApplicationEvent)
        before = replace(case, waiting=tuple(rest))
        followed = _handled(profiles, before, happened, happened.data, head.since, known, now)
        deadlines += followed.deadlines
        if isinstance(followed, Wait):
            return Decision(case, tuple(events), followed.intents, tuple(deadlines))
        assert followed.state is not None
        case = followed.state
        events += followed.events
    return Decision(case, tuple(events), (), tuple(deadlines))


def looked_up(profiles: Profiles, case: Case, found: Followed, known: Knowledge, now: datetime) -> Decision[Case]:
    """What follows once the certificate that an application follows was looked up (A14)."""
    return gone_on(profiles, replace(case, followed=found), known, now) if case.waiting else Decision(case)


def _queued(case: Case, happened: Event, data: ApplicationEvent, known: Knowledge, now: datetime) -> Decision[Case]:
    if len(case.waiting) >= MOST_WAITING:
        # Who was not invited does not learn that there is a case in which something waits (A2).
        invited = membership(data, known.accounts, min(happened.time, now)) is not None
        code = AnswerCode.TOO_MANY_AT_ONCE if invited else AnswerCode.NO_SUCH_CASE
        return Decision(case, (refusal(happened, data, code, now),))
    return Decision(replace(case, waiting=(*case.waiting, Waiting.of(happened, now))))


def _handled(
    profiles: Profiles,
    case: Case,
    happened: Event,
    data: ApplicationEvent,
    since: datetime,
    known: Knowledge,
    now: datetime,
) -> Decision[Case] | Wait:
    """What follows from an event whose turn it is. It is here `since` a moment."""
    opens = case.filed is CaseState.SUBMITTED and isinstance(data, ApplicationSubmitted)
    invited_as = membership(data, known.accounts, min(happened.time, since))
    if invited_as is None:
        again = next_asking(since, now)
        return _nobody(case, happened, data, now) if again is None else Wait((Deadline(ASK_AGAIN, again),))
    if (objected := objection(data, invited_as)) is not None:
        return _refused(case, happened, objected, now) if opens else answer(case, happened, objected, now)
    if not opens and (misfit := _misfit(case, happened, data, since)) is not None:
        return _unfit(case, happened, misfit, now)
    if isinstance(data, ApplicationWithdrawn):
        return _withdrawn(case, happened, now)
    renewed = _renewed(case, happened, data, since)
    follows = renewed.form.follows
    if follows and (renewed.followed is None or renewed.followed.typed != follows):
        return Wait(intents=(Intent(LOOK_UP, LookUp(account_id=case.account_id, typed=follows)),))
    return checked(profiles, renewed, happened, known, now, renewed.received_at)


def _opened(happened: Event, data: ApplicationSubmitted, now: datetime) -> Case:
    received_at = min(happened.time, now)
    return Case(
        case_id=data.case_id,
        account_id=data.actor.account_id,
        version=0,
        filed=CaseState.SUBMITTED,
        entered=(HistoryEntry(state=CaseState.SUBMITTED, at=received_at),),
        received_at=received_at,
        form=form_as_meant(data.form),
        recipients=recipients(data.form),
        attachments=attachments_as_meant(data.attachments),
        csr=_judged_csr(happened),
    )


def _nobody(case: Case, happened: Event, data: ApplicationEvent, now: datetime) -> Decision[Case]:
    """The answer to a user whom nobody invited: an application is refused; of a case that exists nothing is told or changed (A2)."""
    if case.filed is CaseState.SUBMITTED and isinstance(data, ApplicationSubmitted):
        return _refused(case, happened, AnswerCode.NOT_A_MEMBER, now)
    return Decision(case, (refusal(happened, data, AnswerCode.NO_SUCH_CASE, now),))


def _refused(case: Case, happened: Event, code: AnswerCode, now: datetime) -> Decision[Case]:
    refused = answered(case, happened.id, code, code.texts, now)
    return moved(refused, CaseState.REFUSED, now, csr=None, answer=refused.answer)


def _misfit(case: Case, happened: Event, data: ApplicationEvent, since: datetime) -> AnswerCode | None:
    """Why the event does not fit the case as it stands (A1, A12, A15), if there is a reason."""
    if isinstance(data, ApplicationSubmitted):
        return AnswerCode.ALREADY_RECEIVED if _is_same(case, happened, data) else AnswerCode.ALREADY_SUBMITTED
    if case.state is CaseState.ACCEPTED and isinstance(data, ApplicationWithdrawn):
        return None
    clock = clock_of(case)
    if clock is not None and clock.kind is DeadlineKind.COMPLETION and min(happened.time, since) > clock.until:
        return TOO_LATE[CaseState.LAPSED]
    return TOO_LATE.get(case.state)


def _is_same(case: Case, happened: Event, data: ApplicationSubmitted) -> bool:
    """Whether the whole application is the one that the case has."""
    sent = _judged_csr(happened) or JudgedCsr()
    # Of an accepted application the key alone is kept of its request.
    kept = case.csr or JudgedCsr(key=case.key)
    same_request = (sent.key, sent.faults) == (kept.key, kept.faults)
    meant = form_as_meant(data.form), attachments_as_meant(data.attachments)
    return same_request and meant == (case.form, case.attachments)


def _unfit(case: Case, happened: Event, misfit: AnswerCode, now: datetime) -> Decision[Case]:
    """The case with the answer. Whoever comes after 6 months finds it lapsed, though the clock was not looked at yet (A12)."""
    lapses = misfit is TOO_LATE[CaseState.LAPSED] and case.state is not CaseState.LAPSED
    if not lapses:
        return answer(case, happened, misfit, now)
    told = answered(case, happened.id, misfit, misfit.texts, now)
    return moved(told, CaseState.LAPSED, now, csr=None, answer=told.answer)


def _withdrawn(case: Case, happened: Event, now: datetime) -> Decision[Case]:
    """The case withdrawn, or, where it is accepted, the issuer asked to let it go: that says which came first (A15)."""
    if case.state is not CaseState.ACCEPTED:
        return moved(case, CaseState.WITHDRAWN, now, csr=None, deficiencies=())
    asked = answer(case, happened, AnswerCode.WITHDRAWAL_UNDER_WAY, now)
    if case.withdrawal is not None or asked.state is None:
        return asked
    events = (*asked.events, AcceptedWithdrawn(case_id=case.case_id))
    return replace(asked, state=replace(asked.state, withdrawal=happened.id), events=events)


def _renewed(case: Case, happened: Event, data: ApplicationEvent, since: datetime) -> Case:
    """The case with the newest form, attachments and request. A supplement without a request leaves the earlier one (A10).

    A submission has opened the case with all that came.
    """
    if isinstance(data, ApplicationSubmitted):
        return case
    received_at = max(case.received_at, min(happened.time, since))
    csr = _judged_csr(happened) or case.csr
    if not isinstance(data, ApplicationSupplemented):
        return replace(case, received_at=received_at, csr=csr)
    return replace(
        case,
        received_at=received_at,
        csr=csr,
        form=form_as_meant(data.form),
        attachments=attachments_as_meant(data.attachments),
        recipients=recipients(data.form),
    )


def _judged_csr(happened: Event) -> JudgedCsr | None:
    """What `examine` found out about the request that came with the event."""
    judged = happened.facts
    return judged if isinstance(judged, JudgedCsr) else None

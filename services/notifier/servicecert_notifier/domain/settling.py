"""What becomes of mails that are planned: each is settled, deferred and tried again, overtaken, sent again, or comes back (C3, I9). Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.mail import (
    AnswerClass,
    MailBounced,
    MailEvent,
    MailGivenUp,
    MailHandedOver,
    MailKind,
    MailRefused,
)
from servicecert_worker.decider import Deadline, Decision, Due, Intent, Result

from .ledger import Ledger, Notice, Row, Wanted, resend_id
from .planning import INTENT, PATIENCE, Occasion, addressed, planned, superseded
from .reminders import Prepared
from .task import AddressRefusedContent, MailOutcome, MailState, MailTask

TRY = "try/"
"""What the kind of a deadline begins with that has a mail tried again; the mail's id follows."""

NOTICE = "notices"
"""The kind of the deadline that has a case's notices taken."""

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=15)

_EVENT_OF: Mapping[MailState, type[MailEvent]] = MappingProxyType(
    {
        MailState.HANDED_OVER: MailHandedOver,
        MailState.REFUSED: MailRefused,
        MailState.GIVEN_UP: MailGivenUp,
    }
)
_OPEN = (MailState.PLANNED, MailState.DEFERRED)
_DEAD = (MailState.REFUSED, MailState.BOUNCED)
_FIRST_TOLD = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)


def pause(attempts: int) -> timedelta:
    """How long a mail rests after so many tries: a second, then twice as long each time, up to a quarter of an hour."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(attempts - 1, 10)))


def settled(state: Ledger | None, result: Result, now: datetime) -> Decision[Ledger]:
    """The ledger with what came of a mail. The first end counts. A mail that no ledger knows is a fault of ours: it raises, so that it is seen."""
    outcome = result.data
    if not isinstance(outcome, MailOutcome) or state is None:
        raise LookupError(f"The result {result.id} belongs to no mail of this case.")
    row = state.row(outcome.mail_id)
    late = row.state is MailState.SUPERSEDED and outcome.state is MailState.HANDED_OVER
    if row.state not in _OPEN and not late:
        return Decision(state)
    tried = replace(
        row,
        state=outcome.state,
        attempts=outcome.attempts,
        answer=outcome.answer,
        first_tried_at=row.first_tried_at or outcome.at,
        tried_at=outcome.at,
        next_try_at=None,
    )
    if outcome.state is MailState.DEFERRED:
        at = now + pause(outcome.attempts)
        at = at if row.give_up_at is None else min(at, max(row.give_up_at, now))
        deferred = replace(tried, next_try_at=at)
        return Decision(state.with_row(deferred), deadlines=(Deadline(_try(row), at),))
    said = _EVENT_OF[outcome.state](
        case_id=state.case_id,
        mail_id=row.mail_id,
        kind=row.kind,
        recipient=row.recipient,
        answer=outcome.answer_class,
        attempts=outcome.attempts,
        at=outcome.at,
    )
    ended = replace(tried, settled_at=outcome.at)
    after, intents = _told_of_refusal(state.with_row(ended), ended, outcome.at)
    return Decision(after, events=(said,), intents=intents)


def woken(state: Ledger | None, due: Due, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """A deferred mail is tried again, or the case's notices are taken. A deadline of another kind, or of what is settled, changes nothing."""
    if state is None:
        return Decision(state)
    if due.kind == NOTICE:
        return _noticed(state, prepared, now)
    if not due.kind.startswith(TRY):
        return Decision(state)
    row = state.row(UUID(due.kind.removeprefix(TRY)))
    if row.state is not MailState.DEFERRED:
        return Decision(state)
    order = prepared.orders[row.mail_id].model_copy(update={"attempts": row.attempts})
    return Decision(state, intents=(Intent(INTENT, order),))


def _noticed(state: Ledger, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Takes all notices of the case that are not taken yet: a resending is known by its id, a bounce by the state that it left."""
    taken: Decision[Ledger] = Decision(state)
    for notice in prepared.notices.get(str(state.case_id), ()):
        ledger = taken.state or state
        follows = (
            _resent(ledger, notice, prepared.orders, now)
            if notice.wanted is Wanted.RESEND
            else _bounced(ledger, notice)
        )
        taken = Decision(
            follows.state,
            taken.events + follows.events,
            taken.intents + follows.intents,
            taken.deadlines + follows.deadlines,
        )
    return taken


def _resent(ledger: Ledger, notice: Notice, orders: Mapping[UUID, MailTask], now: datetime) -> Decision[Ledger]:
    """A new row of the same mail, tried for as long again as the first. One that is on its way is not overtaken: there is nothing to repeat yet."""
    old, identity, order = ledger.row(notice.mail_id), resend_id(notice.id), orders.get(notice.mail_id)
    if order is None or old.state is MailState.PLANNED or any(row.mail_id == identity for row in ledger.rows):
        return Decision(ledger)
    if old.state is MailState.DEFERRED:
        ledger = ledger.with_row(superseded(old, identity, now))
    copies = (
        row.copy
        for row in ledger.rows
        if (row.kind, row.occasion, row.recipient, row.place) == (old.kind, old.occasion, old.recipient, old.place)
    )
    again = order.model_copy(
        update={
            "mail_id": identity,
            "recipient": _addressed(order, notice.address),
            "date": notice.at,
            "give_up_at": now + max(order.give_up_at - order.date, timedelta()),
            "attempts": 0,
        }
    )
    new = Row(
        identity,
        old.kind,
        old.occasion,
        old.recipient,
        old.place,
        planned_at=notice.at,
        copy=1 + max(copies),
        give_up_at=again.give_up_at,
        resends=old.mail_id,
        reason=notice.text,
        order=again,
    )
    return Decision(ledger.with_planned((new,)), intents=(Intent(INTENT, again),))


def _addressed(order: MailTask, address: str | None) -> Recipient:
    return order.recipient if address is None else order.recipient.model_copy(update={"email": address})


def _bounced(ledger: Ledger, notice: Notice) -> Decision[Ledger]:
    """The row of a mail that came back, and the event that says so. A report of a mail that was never handed over is nothing to us."""
    row = next((row for row in ledger.rows if row.mail_id == notice.mail_id), None)
    if row is None or row.state is not MailState.HANDED_OVER:
        return Decision(ledger)
    back = replace(row, state=MailState.BOUNCED, bounce=notice.text, bounced_at=notice.at)
    said = MailBounced(
        case_id=ledger.case_id,
        mail_id=row.mail_id,
        kind=row.kind,
        recipient=row.recipient,
        answer=AnswerClass.PERMANENT,
        attempts=row.attempts,
        at=notice.at,
    )
    after, intents = _told_of_refusal(ledger.with_row(back), back, notice.at)
    return Decision(after, events=(said,), intents=intents)


def _try(row: Row) -> str:
    return f"{TRY}{row.mail_id}"


def _told_of_refusal(ledger: Ledger, row: Row, now: datetime) -> tuple[Ledger, tuple[Intent, ...]]:
    """The ledger with a mail to somebody else about the address of a mail that was refused or came back, so that it gets corrected (C3).

    Once for each address of a case, and none about such a mail.
    """
    told = ledger.standing.correspondence
    if row.state not in _DEAD or row.kind is MailKind.ADDRESS_REFUSED or told is None:
        return ledger, ()
    other = _other(ledger, told.recipients)
    if other is None:
        return ledger, ()
    certificate = ledger.standing.certificate
    content = AddressRefusedContent(
        refused=row.recipient,
        told=row.kind,
        subject=certificate and certificate.subject,
        serial=certificate and certificate.serial,
    )
    about = f"{row.recipient}/{row.place}"
    return planned(ledger, Occasion(content, about, told.language, (other,), now, now + PATIENCE))


def _other(ledger: Ledger, recipients: tuple[Recipient, ...]) -> Recipient | None:
    """Whom to tell: the orderer first, and nobody whose own address was refused."""
    dead = {(row.recipient, row.place) for row in ledger.rows if row.state in _DEAD}
    alive = [
        recipient
        for recipient, place in addressed(recipients, MailKind.ADDRESS_REFUSED)
        if (recipient.role, place) not in dead
    ]
    return min(alive, key=lambda recipient: _FIRST_TOLD.index(recipient.role), default=None)

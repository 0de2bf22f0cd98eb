"""The mail ledger of a case: one row for each mail, so that it is sent once (C3, I9). No row holds an address (E3).

An event plans mails, once for each recipient (C1, C3, C4, D5): each becomes a row and an intent. A deferred mail that a
new one makes outdated is not retried. A mail that failed is reported to another recipient.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from uuid import UUID, uuid5

from servicecert_schemas import mail
from servicecert_schemas.certificate import Recipient, RecipientRole, Recipients
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Deadline, Decision, Intent

from .case_facts import NO_FACTS, CaseFacts
from .task import (
    ALL_ROLES,
    AUDIENCES,
    LIMITED,
    NO_ANSWER,
    SUPERSEDES,
    TO_DO,
    AddressRefusedContent,
    ApplicationContent,
    Content,
    MailState,
    MailTask,
)

_MAILS = UUID("6f0b1f0e-6c0e-5d52-9d1c-5f1f6d9f3a51")

INTENT = "mail"

RETRY = "try/"
"""The prefix of the kind of a deadline that tries a mail, again or for the first time; the mail's id follows."""

MOST_AN_HOUR = 10
"""How many mails of a case a recipient gets in an hour at most (F5): a form that is sent again and again is no cannon.

A further mail is tried an hour later, unless a newer one makes it outdated. Mails about a certificate are few.
"""

_HOUR = timedelta(hours=1)

RETRY_PERIOD = timedelta(days=5)
"""How long a mail without a due time is tried (RFC 5321 section 4.5.4.1 asks for 4 to 5 days)."""

_EVENT_OF: Mapping[MailState, type[mail.MailEvent]] = MappingProxyType(
    {
        MailState.HANDED_OVER: mail.MailHandedOver,
        MailState.REFUSED: mail.MailRefused,
        MailState.GIVEN_UP: mail.MailGivenUp,
        MailState.BOUNCED: mail.MailBounced,
    }
)
_UNDELIVERABLE = (MailState.REFUSED, MailState.BOUNCED)


def resend_id(notice_id: UUID) -> UUID:
    return uuid5(_MAILS, f"resend/{notice_id}")


@dataclass(frozen=True, slots=True)
class Row:
    """One mail. `occasion` is its cause, `place` counts a role's addresses from 1; `answer`, `relay` and
    `refused_since` are as in `MailOutcome`.

    `copy` counts how often an operator had it sent again, for a `reason`; `resends` is the mail that this one repeats.
    `superseded_by` is the mail that replaced it, or itself where what it asks for is over. `bounce` is the status in
    the bounce report (RFC 3463). `order` is the mail's task: set on a new row only, and stored in a table of its own
    until the case is erased.
    """

    mail_id: UUID
    kind: mail.MailKind
    occasion: str
    recipient: RecipientRole
    place: int
    planned_at: datetime
    copy: int = 0
    give_up_at: datetime | None = None
    state: MailState = MailState.PLANNED
    attempts: int = 0
    answer: str | None = None
    first_tried_at: datetime | None = None
    tried_at: datetime | None = None
    next_try_at: datetime | None = None
    settled_at: datetime | None = None
    resends: UUID | None = None
    reason: str | None = None
    superseded_by: UUID | None = None
    bounce: str | None = None
    bounced_at: datetime | None = None
    relay: str | None = None
    refused_since: datetime | None = None
    order: MailTask | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def of(task: MailTask, occasion: str, place: int) -> "Row":
        """Return the row of a mail that nobody has tried yet."""
        head = (task.mail_id, task.content.kind, occasion, RecipientRole(task.recipient.role), place)
        return Row(*head, planned_at=task.date, give_up_at=task.give_up_at, order=task)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of a case, in the order in which they were planned, and the facts of the case."""

    case_id: UUID
    rows: tuple[Row, ...] = ()
    facts: CaseFacts = NO_FACTS

    def row(self, mail_id: UUID) -> Row:
        """Return the row of a mail. Raise `LookupError` if the ledger has none."""
        for row in self.rows:
            if row.mail_id == mail_id:
                return row
        raise LookupError(f"The mail ledger of this case has no mail {mail_id}.")

    def with_row(self, changed: Row) -> "Ledger":
        return replace(self, rows=tuple(changed if row.mail_id == changed.mail_id else row for row in self.rows))


@dataclass(frozen=True, slots=True)
class Mailing:
    """Mails to plan: one content to each recipient. `about` identifies the occasion, for which each is sent once.

    Whose address was none of the `former` ones gets it too, for a `version` of the case.
    """

    content: Content
    about: str
    language: Language
    recipients: Recipients
    date: datetime
    give_up_at: datetime
    former: Recipients = ()
    version: int = 0


def planned(ledger: Ledger, occasion: Mailing) -> Decision[Ledger]:
    """Add the mails not planned before, with their intents; the same ledger if there are none.

    Deferred mails that are now outdated become superseded. A mail beyond `MOST_AN_HOUR` is deferred.
    """
    existing = {row.mail_id for row in ledger.rows}
    kind = occasion.content.kind
    recipients = ledger.facts.reached(occasion.recipients)
    former = {it.identity for it, _ in addressed(ledger.facts.reached(occasion.former) or recipients, kind)}
    is_told = bool(occasion.former) and any((it.kind, it.occasion) == (kind, occasion.about) for it in ledger.rows)
    to = addressed(recipients, kind)
    if kind is mail.MailKind.CERTIFICATE_ISSUED:
        # The case waits for each address of its form, wherever an operator has sent its mails since.
        to = tuple((ledger.facts.reached((it,))[0], place) for it, place in addressed(occasion.recipients, kind))
    rows: list[Row] = []
    intents: list[Intent] = []
    deadlines: list[Deadline] = []
    for recipient, place in to:
        if is_told and recipient.identity in former:
            continue
        role, about = RecipientRole(recipient.role), occasion.about
        # The same each time that it is planned, and derived from nothing personal.
        identity = uuid5(_MAILS, f"{ledger.case_id}/{kind}/{about}/{role}/{place}")
        if identity in existing and recipient.identity not in former:
            about = f"{about}/{occasion.version}"
            identity = uuid5(_MAILS, f"{ledger.case_id}/{kind}/{about}/{role}/{place}")
        if identity in existing:
            continue
        content = occasion.content
        if role is not RecipientRole.ORDERER and isinstance(content, ApplicationContent):
            content = content.model_copy(update={"customer_reference": None})
        task = MailTask(
            mail_id=identity,
            case_id=ledger.case_id,
            language=recipient.language or occasion.language,
            recipient=recipient,
            date=occasion.date,
            give_up_at=occasion.give_up_at,
            content=content,
        )
        row = Row.of(task, about, place)
        if _is_too_soon(ledger, row):
            row = replace(row, state=MailState.DEFERRED, next_try_at=occasion.date + _HOUR)
            deadlines.append(Deadline(f"{RETRY}{identity}", row.next_try_at))
        else:
            intents.append(Intent(INTENT, task))
        rows.append(row)
    after = replace(ledger, rows=(*(after_newer(row, rows) for row in ledger.rows), *rows)) if rows else ledger
    return Decision(after, intents=tuple(intents), deadlines=tuple(deadlines))


def _is_too_soon(ledger: Ledger, new: Row) -> bool:
    """Return whether the recipient has got the most mails of the case in the hour before. Copies of operators count."""
    same = (
        row
        for row in ledger.rows
        if (row.recipient, row.place) == (new.recipient, new.place)
        and row.kind in LIMITED
        and abs(new.planned_at - row.planned_at) < _HOUR
        and (row.attempts or row.state is not MailState.SUPERSEDED)
    )
    return new.kind in LIMITED and sum(1 for _ in same) >= MOST_AN_HOUR


def addressed(recipients: Recipients, kind: mail.MailKind) -> tuple[tuple[Recipient, int], ...]:
    """Return the recipients of a mail of this kind, each address once, each with its place among those of its role.

    If no recipient has a role of the audience, the mail goes to the first one, so that somebody is informed. An unknown
    role gets no mail.
    """
    once = tuple(_addressed_once(recipients, AUDIENCES[kind]))
    return once or tuple(islice(_addressed_once(recipients, ALL_ROLES), 1))


def _addressed_once(recipients: Recipients, roles: tuple[RecipientRole, ...]) -> Iterator[tuple[Recipient, int]]:
    """Return recipients with different addresses.

    Code that waits for the mails of all recipients counts addresses in the same way.
    """
    seen: set[tuple[str, str]] = set()
    places: dict[str, int] = {}
    for recipient in recipients:
        if recipient.role in roles and recipient.identity not in seen:
            seen.add(recipient.identity)
            places[recipient.role] = places.get(recipient.role, 0) + 1
            yield recipient, places[recipient.role]


def after_newer(row: Row, new: Sequence[Row]) -> Row:
    """Return a row as it is after new ones. A planned mail stays: it is on its way."""
    newer = next((each for each in new if row.state is MailState.DEFERRED and _makes_outdated(each, row)), None)
    return row if newer is None else superseded(row, newer.mail_id, newer.planned_at)


def is_over(ledger: Ledger, row: Row) -> bool:
    """Return whether a mail asks for what is done: the application is no longer pending, as after a withdrawal."""
    return row.kind in TO_DO and ledger.facts.correspondence is not None and ledger.facts.application is None


def superseded(row: Row, by: UUID, at: datetime) -> Row:
    """Return an open mail as superseded by another one. Its deadline remains, and changes nothing."""
    return replace(row, state=MailState.SUPERSEDED, superseded_by=by, next_try_at=None, settled_at=at)


def outdating(row: Row, rows: Sequence[Row]) -> Iterator[Row]:
    """Return the mails of later occasions that make a mail outdated: it is not worth sending again."""
    others = (new for new in rows if (new.kind, new.occasion) != (row.kind, row.occasion))
    return (new for new in others if _makes_outdated(new, row))


def _makes_outdated(new: Row, row: Row) -> bool:
    """Return whether a mail makes an older one outdated. Topics may overtake one another, so the dates decide.

    A mail about a revocation replaces an earlier one to the same recipient only, never to one of those who asked: each
    of them is another person. Nor does one to a corrected address replace another person's of the same occasion.
    """
    if row.planned_at > new.planned_at or row.kind not in SUPERSEDES.get(new.kind, ()):
        return False
    same = row.recipient is not RecipientRole.REQUESTER and (row.recipient, row.place) == (new.recipient, new.place)
    first = new.occasion.rpartition("/")[0]
    is_corrected = new.kind is row.kind and first and first in (row.occasion, row.occasion.rpartition("/")[0])
    return same or not (is_corrected or row.kind is mail.MailKind.CERTIFICATE_REVOKED)


def ended(ledger: Ledger, row: Row, at: datetime) -> Decision[Ledger]:
    """Record a mail that came to a final state at a moment, and publish it. A failed address is reported."""
    event = event_of(ledger.case_id, row, row.state, at)
    return replace(_report_address(ledger.with_row(row), row, at), events=(event,))


def event_of(case_id: UUID, row: Row, state: MailState, at: datetime) -> mail.MailEvent:
    """Return the event that a tried mail came to a state. A bounce is a permanent answer, by another server."""
    answer = "5" if state is MailState.BOUNCED else row.answer or NO_ANSWER
    return _EVENT_OF[state](
        case_id=case_id,
        mail_id=row.mail_id,
        kind=row.kind,
        recipient=row.recipient,
        answer=answer_class(answer),
        attempts=row.attempts,
        at=at,
        planned_at=row.planned_at,
    )


def answer_class(answer: str) -> mail.AnswerClass:
    """Return the class of a stored answer. No answer, or only a 3xx, has none."""
    return {"2": mail.AnswerClass.ACCEPTED, "4": mail.AnswerClass.TEMPORARY, "5": mail.AnswerClass.PERMANENT}.get(
        answer[0], mail.AnswerClass.NO_ANSWER
    )


def _report_address(ledger: Ledger, row: Row, now: datetime) -> Decision[Ledger]:
    """Plan a mail to another recipient about an address that refused or bounced a mail, so that it gets corrected (C3).

    It is sent once for each address of a case, and not if such a mail itself fails.
    """
    if row.state not in _UNDELIVERABLE or row.kind is mail.MailKind.ADDRESS_REFUSED:
        return Decision(ledger)
    to, other = ledger.facts.correspondence, _other_recipient(ledger)
    if to is None or other is None:
        return Decision(ledger)
    certificate = ledger.facts.certificate
    content = AddressRefusedContent(
        refused=row.recipient,
        told=row.kind,
        subject=certificate and certificate.subject,
        serial=certificate and certificate.serial,
    )
    mailing = Mailing(content, f"{row.recipient}/{row.place}", to.language, (other,), now, now + RETRY_PERIOD)
    return planned(ledger, mailing)


def _other_recipient(ledger: Ledger) -> Recipient | None:
    """Return the recipient to inform: the orderer first, and none whose own address failed."""
    failed = {(row.recipient, row.place) for row in ledger.rows if row.state in _UNDELIVERABLE}
    reachable = [
        recipient
        for recipient, place in addressed(ledger.facts.recipients, mail.MailKind.ADDRESS_REFUSED)
        if (recipient.role, place) not in failed
    ]
    return min(reachable, key=lambda recipient: ALL_ROLES.index(recipient.role), default=None)

"""Planning mails: each becomes a row of the ledger and an intent, once for each recipient (C1, C3, C4, D5, E3). Pure.

Each kind of mail has an audience. A shared mailbox, which many read, gets mails about an existing certificate only; the
technical contact gets the invitation to attach a request; only the orderer reads the customer's reference. A deferred
mail that a new one makes outdated is not retried.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from servicecert_schemas.certificate import Recipient, RecipientRole, Recipients
from servicecert_schemas.mail import MailKind
from servicecert_schemas.mailboxes import identity
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Deadline, Intent

from .ledger import Ledger, Row, mail_id
from .task import REMINDERS, Content, MailState, MailTask

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

ALL_ROLES = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)
"""Every role in a case, the one to write to first in front."""

_APPLICANTS = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT)

AUDIENCES: Mapping[MailKind, tuple[RecipientRole, ...]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: (RecipientRole.TECHNICAL_CONTACT,),
        MailKind.APPLICATION_RETURNED: _APPLICANTS,
        MailKind.APPLICATION_NEARS_LAPSE: _APPLICANTS,
        MailKind.APPLICATION_LAPSED: _APPLICANTS,
        MailKind.APPLICATION_REFUSED: _APPLICANTS,
        MailKind.CERTIFICATE_ISSUED: ALL_ROLES,
        MailKind.EXPIRES_IN_60_DAYS: ALL_ROLES,
        MailKind.EXPIRES_IN_30_DAYS: ALL_ROLES,
        MailKind.EXPIRES_IN_7_DAYS: ALL_ROLES,
        MailKind.CERTIFICATE_REVOKED: (*ALL_ROLES, RecipientRole.REQUESTER),
        MailKind.ADDRESS_REFUSED: ALL_ROLES,
    }
)
"""The roles that each kind of mail is for. One of them only gets ADDRESS_REFUSED: see `settling`."""

_TO_DO = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED, MailKind.APPLICATION_NEARS_LAPSE))
_SUPERSEDES: Mapping[MailKind, frozenset[MailKind]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: _TO_DO,
        MailKind.APPLICATION_RETURNED: _TO_DO,
        MailKind.APPLICATION_NEARS_LAPSE: frozenset((MailKind.APPLICATION_NEARS_LAPSE,)),
        MailKind.APPLICATION_LAPSED: _TO_DO,
        MailKind.APPLICATION_REFUSED: _TO_DO,
        MailKind.CERTIFICATE_ISSUED: _TO_DO,
        **{kind: frozenset(REMINDERS[: place + 1]) for place, kind in enumerate(REMINDERS)},
        MailKind.CERTIFICATE_REVOKED: frozenset((*REMINDERS, MailKind.CERTIFICATE_REVOKED)),
    }
)
"""The kinds that a new mail of the same case makes outdated: the task is done or over, or a newer reminder follows."""


_LIMITED = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED))
"""The kinds that a customer can cause again and again."""


class Planned(NamedTuple):
    """The ledger with new mails, their intents, and the deadlines of those that come later."""

    ledger: Ledger
    intents: tuple[Intent, ...] = ()
    deadlines: tuple[Deadline, ...] = ()


@dataclass(frozen=True, slots=True)
class Mailing:
    """Mails to plan: one content to each recipient. `about` identifies the occasion, for which each is sent once."""

    content: Content
    about: str
    language: Language
    recipients: Recipients
    date: datetime
    give_up_at: datetime


def planned(ledger: Ledger, occasion: Mailing) -> Planned:
    """Return the ledger with the mails not planned before, and their intents; the same ledger if there are none.

    Deferred mails that are now outdated become superseded. A mail beyond `MOST_AN_HOUR` is deferred.
    """
    existing = {row.mail_id for row in ledger.rows}
    kind = occasion.content.kind
    rows: list[Row] = []
    intents: list[Intent] = []
    deadlines: list[Deadline] = []
    for recipient, place in addressed(occasion.recipients, kind):
        role = RecipientRole(recipient.role)
        identity = mail_id(ledger.case_id, kind, occasion.about, role, place)
        if identity in existing:
            continue
        task = MailTask(
            mail_id=identity,
            case_id=ledger.case_id,
            language=recipient.language or occasion.language,
            recipient=recipient,
            date=occasion.date,
            give_up_at=occasion.give_up_at,
            content=for_role(occasion.content, role),
        )
        row = Row(
            identity,
            kind,
            occasion.about,
            role,
            place,
            planned_at=occasion.date,
            give_up_at=occasion.give_up_at,
            order=task,
        )
        if _is_too_soon(ledger, row):
            row = replace(row, state=MailState.DEFERRED, next_try_at=occasion.date + _HOUR)
            deadlines.append(Deadline(f"{RETRY}{identity}", row.next_try_at))
        else:
            intents.append(Intent(INTENT, task))
        rows.append(row)
    after = with_superseded(ledger, rows).with_planned(tuple(rows)) if rows else ledger
    return Planned(after, tuple(intents), tuple(deadlines))


def _is_too_soon(ledger: Ledger, new: Row) -> bool:
    """Return whether the recipient has got the most mails of the case in the hour before. Copies of operators count."""
    same = (
        row
        for row in ledger.rows
        if (row.recipient, row.place) == (new.recipient, new.place)
        and row.kind in _LIMITED
        and abs(new.planned_at - row.planned_at) < _HOUR
        and (row.attempts or row.state is not MailState.SUPERSEDED)
    )
    return new.kind in _LIMITED and sum(1 for _ in same) >= MOST_AN_HOUR


def for_role(content: Content, role: RecipientRole) -> Content:
    """Return the content for a recipient of this role (E3): only the orderer reads the customer's reference."""
    if role is RecipientRole.ORDERER or getattr(content, "customer_reference", None) is None:
        return content
    return content.model_copy(update={"customer_reference": None})


def addressed(recipients: Recipients, kind: MailKind) -> tuple[tuple[Recipient, int], ...]:
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
        address = identity(recipient.email)
        if recipient.role in roles and address not in seen:
            seen.add(address)
            places[recipient.role] = places.get(recipient.role, 0) + 1
            yield recipient, places[recipient.role]


def with_superseded(ledger: Ledger, new: Sequence[Row]) -> Ledger:
    """Return the ledger with the deferred mails superseded that new ones make outdated. Planned mails stay."""
    return replace(ledger, rows=tuple(_after(new, row) for row in ledger.rows))


def _after(new: Sequence[Row], row: Row) -> Row:
    newer = next((each for each in new if _supersedes(each, row)), None)
    return row if newer is None else superseded(row, newer.mail_id, newer.planned_at)


def superseded(row: Row, by: UUID, at: datetime) -> Row:
    """Return an open mail as superseded by another one. Its deadline remains, and changes nothing."""
    return replace(row, state=MailState.SUPERSEDED, superseded_by=by, next_try_at=None, settled_at=at)


def _supersedes(new: Row, row: Row) -> bool:
    """Return whether a new mail supersedes a deferred one."""
    return row.state is MailState.DEFERRED and _makes_outdated(new, row)


def is_outdated(row: Row, rows: Sequence[Row]) -> bool:
    """Return whether a later occasion of the case makes a mail outdated: it is not worth sending again."""
    return any(_outdating(row, rows))


def _outdating(row: Row, rows: Sequence[Row]) -> Iterator[Row]:
    others = (new for new in rows if (new.kind, new.occasion) != (row.kind, row.occasion))
    return (new for new in others if _makes_outdated(new, row))


def outdated(ledger: Ledger, untried: Collection[UUID]) -> Mapping[UUID, Row]:
    """Return those open mails that nobody tries and that one planned later makes outdated, each with that one.

    A worker supersedes deferred mails only: planned ones are on their way. A replay does not know which they were.
    """
    found = {}
    for place, row in enumerate(ledger.rows):
        if row.mail_id in untried and row.state in (MailState.PLANNED, MailState.DEFERRED):
            # Mails of one event have one date: they are sent side by side.
            later = (new for new in _outdating(row, ledger.rows[place:]) if new.planned_at > row.planned_at)
            if (newer := next(later, None)) is not None:
                found[row.mail_id] = newer
    return found


def _makes_outdated(new: Row, row: Row) -> bool:
    """Return whether a mail makes an older one outdated. Topics may overtake one another, so the dates decide.

    A mail about a revocation replaces an earlier one to the same recipient only, never to one of those who asked: each
    of them is another person.
    """
    if row.planned_at > new.planned_at or row.kind not in _SUPERSEDES.get(new.kind, ()):
        return False
    same = row.recipient is not RecipientRole.REQUESTER and (row.recipient, row.place) == (new.recipient, new.place)
    return same or row.kind is not MailKind.CERTIFICATE_REVOKED

"""Mails that are owed become rows of the ledger and acts on the world: one for each recipient, and each once (C1, C3, C4, D5, E3). Pure.

What a kind of mail says is for its audience and nobody else: a functional mailbox, which many read, gets what concerns a certificate that exists; who was
invited to attach a request gets the invitation; and only the orderer reads the reference of its own books. A deferred mail that is out of date once
others are planned is not tried any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.certificate import Recipient, RecipientRole, Recipients
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import Language
from servicecert_worker.decider import Intent

from .ledger import Ledger, Row, mail_id
from .task import REMINDERS, Content, MailState, MailTask

INTENT = "mail"

PATIENCE = timedelta(days=5)
"""How long a mail without a due time is tried (RFC 5321 section 4.5.4.1 asks for 4 to 5 days)."""

_EVERYBODY = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)
_APPLICANTS = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT)

AUDIENCES: Mapping[MailKind, tuple[RecipientRole, ...]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: (RecipientRole.TECHNICAL_CONTACT,),
        MailKind.APPLICATION_RETURNED: _APPLICANTS,
        MailKind.APPLICATION_NEARS_LAPSE: _APPLICANTS,
        MailKind.APPLICATION_LAPSED: _APPLICANTS,
        MailKind.APPLICATION_REFUSED: _APPLICANTS,
        MailKind.CERTIFICATE_ISSUED: _EVERYBODY,
        MailKind.EXPIRES_IN_60_DAYS: _EVERYBODY,
        MailKind.EXPIRES_IN_30_DAYS: _EVERYBODY,
        MailKind.EXPIRES_IN_7_DAYS: _EVERYBODY,
        MailKind.CERTIFICATE_REVOKED: _EVERYBODY,
        MailKind.ADDRESS_REFUSED: _EVERYBODY,
    }
)
"""The roles that each kind of mail is for. That an address was refused is told to one of them only: see `settling`."""

_TO_DO = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED, MailKind.APPLICATION_NEARS_LAPSE))
_OVERTAKES: Mapping[MailKind, frozenset[MailKind]] = MappingProxyType(
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
"""Which kinds of mail of the same case are out of date once a mail of a kind is planned: what was to be done is done or over, a reminder is older."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Mails that are owed: what they tell, by which `about` each is sent once, to whom, dated when, and until when they are tried."""

    content: Content
    about: str
    language: Language
    recipients: Recipients
    date: datetime
    give_up_at: datetime


def planned(ledger: Ledger, occasion: Occasion) -> tuple[Ledger, tuple[Intent, ...]]:
    """The ledger with the mails that were not planned before, and the acts that send them; the same ledger where there are none.

    Deferred mails that say what holds no more are superseded.
    """
    planned_before = {row.mail_id for row in ledger.rows}
    kind = occasion.content.kind
    rows: list[Row] = []
    intents: list[Intent] = []
    for recipient, place in addressed(occasion.recipients, kind):
        identity = mail_id(ledger.case_id, kind, occasion.about, recipient.role, place)
        if identity in planned_before:
            continue
        task = MailTask(
            mail_id=identity,
            case_id=ledger.case_id,
            language=occasion.language,
            recipient=recipient,
            date=occasion.date,
            give_up_at=occasion.give_up_at,
            content=for_role(occasion.content, recipient.role),
        )
        intents.append(Intent(INTENT, task))
        rows.append(
            Row(
                identity,
                kind,
                occasion.about,
                recipient.role,
                place,
                planned_at=occasion.date,
                give_up_at=occasion.give_up_at,
                order=task,
            )
        )
    return (overtaken(ledger, rows).with_planned(tuple(rows)) if rows else ledger), tuple(intents)


def for_role(content: Content, role: RecipientRole) -> Content:
    """The content as a recipient of this role may read it (E3): the reference of the customer's own books is for the orderer only."""
    if role is RecipientRole.ORDERER or getattr(content, "customer_reference", None) is None:
        return content
    return content.model_copy(update={"customer_reference": None})


def addressed(recipients: Recipients, kind: MailKind) -> tuple[tuple[Recipient, int], ...]:
    """The recipients whom a mail of this kind is for, each address once, each with its place among those of its role.

    Where nobody has a role that the mail is for, it goes to the first recipient: somebody has to know.
    """
    once = tuple(_addressed_once(recipients, AUDIENCES[kind]))
    return once or tuple(_addressed_once(recipients[:1], _EVERYBODY))


def _addressed_once(recipients: Recipients, roles: tuple[RecipientRole, ...]) -> Iterator[tuple[Recipient, int]]:
    """The recipients of some roles with different addresses. A domain has no case, a local part may have (RFC 5321 section 2.4): who waits for the

    outcome of every recipient's mail counts addresses the same way.
    """
    seen: set[tuple[str, str]] = set()
    places: dict[RecipientRole, int] = {}
    for recipient in recipients:
        local, _, domain = recipient.email.rpartition("@")
        address = (local, domain.lower())
        if recipient.role in roles and address not in seen:
            seen.add(address)
            places[recipient.role] = places.get(recipient.role, 0) + 1
            yield recipient, places[recipient.role]


def overtaken(ledger: Ledger, new: Sequence[Row]) -> Ledger:
    """The ledger whose deferred mails are superseded by the new ones that say what holds. What is planned is on its way, and is left alone."""
    return replace(ledger, rows=tuple(_after(new, row) for row in ledger.rows))


def _after(new: Sequence[Row], row: Row) -> Row:
    newer = next((each for each in new if _overtakes(each, row)), None)
    return row if newer is None else superseded(row, newer.mail_id, newer.planned_at)


def superseded(row: Row, by: UUID, at: datetime) -> Row:
    """A deferred mail that another one replaces. Its deadline comes and finds nothing to do."""
    return replace(row, state=MailState.SUPERSEDED, superseded_by=by, next_try_at=None, settled_at=at)


def _overtakes(new: Row, row: Row) -> bool:
    """Whether a deferred mail is out of date once a new one is planned. Topics may overtake one another, so it must tell of something earlier."""
    older = row.planned_at <= new.planned_at
    return older and row.state is MailState.DEFERRED and row.kind in _OVERTAKES.get(new.kind, ())

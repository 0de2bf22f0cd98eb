"""The task of a planned mail: what it tells, whom (C4, E3), what it makes outdated, and its outcome.

What is stored in JSON is a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.mail import MailKind
from servicecert_schemas.open_list import Open
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.values import CertificateType, Instant, Language, Value


class CertificateContent(Value):
    """What all mails about a certificate tell: its serial number, in both forms, and its subject (RFC 4514)."""

    serial: str
    serial_decimal: str
    subject: str


class IssuedContent(CertificateContent):
    """A new certificate (C1, C2). `certificate` and `chain` are base64 of DER; the other fields are as in the event."""

    kind: Literal[MailKind.CERTIFICATE_ISSUED] = MailKind.CERTIFICATE_ISSUED
    type: CertificateType
    not_before: Instant
    not_after: Instant
    fingerprint: str
    certificate: str
    chain: tuple[str, ...]


class RevokedContent(CertificateContent):
    """A revoked certificate (D5)."""

    kind: Literal[MailKind.CERTIFICATE_REVOKED] = MailKind.CERTIFICATE_REVOKED
    reason: Open[RevocationReason]
    requested_at: Instant
    revoked_at: Instant
    invalid_since: Instant | None
    crl_number: int
    crl_url: str


class ExpiringContent(CertificateContent):
    """A certificate that ends soon (C4)."""

    kind: Literal[MailKind.EXPIRES_IN_60_DAYS, MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_7_DAYS]
    type: CertificateType
    not_after: Instant
    days_left: int


class InvitedContent(Value):
    """An invitation to attach the certificate request (A3). `unit` is the applicant, `lapses` the application's end."""

    kind: Literal[MailKind.CSR_INVITED] = MailKind.CSR_INVITED
    type: CertificateType
    applied_for: str
    unit: str
    dns: tuple[str, ...]
    lapses: Instant | None


class ApplicationContent(Value):
    """What mails about an application tell. The reference is for the orderer's eyes only (E3)."""

    type: CertificateType
    applied_for: str
    customer_reference: str | None


class ReturnedContent(ApplicationContent):
    """A returned application (A10), with the deficiencies as sentences in the mail's language. `lapses` is its end."""

    kind: Literal[MailKind.APPLICATION_RETURNED] = MailKind.APPLICATION_RETURNED
    deficiencies: tuple[str, ...]
    lapses: Instant | None


class NearsLapseContent(ApplicationContent):
    """An application that lapses soon (A12, E2). `lacking` are sentences in the mail's language."""

    kind: Literal[MailKind.APPLICATION_NEARS_LAPSE] = MailKind.APPLICATION_NEARS_LAPSE
    waits_for_csr: bool
    lacking: tuple[str, ...]
    since: Instant
    lapses: Instant


class LapsedContent(ApplicationContent):
    """A lapsed application (A12). `since` is when it was submitted."""

    kind: Literal[MailKind.APPLICATION_LAPSED] = MailKind.APPLICATION_LAPSED
    since: Instant


class RefusedContent(ApplicationContent):
    """A refused application, with the reasons as sentences in the mail's language."""

    kind: Literal[MailKind.APPLICATION_REFUSED] = MailKind.APPLICATION_REFUSED
    reasons: tuple[str, ...]


class AddressRefusedContent(Value):
    """A refused mail to another recipient (C3): `told` is its kind, `refused` the role, never the address (E3)."""

    kind: Literal[MailKind.ADDRESS_REFUSED] = MailKind.ADDRESS_REFUSED
    refused: RecipientRole
    told: MailKind
    subject: str | None
    serial: str | None


Content = (
    IssuedContent
    | ReturnedContent
    | RevokedContent
    | InvitedContent
    | NearsLapseContent
    | LapsedContent
    | RefusedContent
    | ExpiringContent
    | AddressRefusedContent
)

REMINDERS = (MailKind.EXPIRES_IN_60_DAYS, MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_7_DAYS)
"""The reminders of a certificate's end."""

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
        **dict.fromkeys((MailKind.CERTIFICATE_ISSUED, *REMINDERS, MailKind.ADDRESS_REFUSED), ALL_ROLES),
        MailKind.CERTIFICATE_REVOKED: (*ALL_ROLES, RecipientRole.REQUESTER),
    }
)
"""The roles that each kind of mail is for. One of them only gets ADDRESS_REFUSED: see `ledger`."""

TO_DO = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED, MailKind.APPLICATION_NEARS_LAPSE))
"""The kinds that ask the applicant to do something about the application."""

SUPERSEDES: Mapping[MailKind, frozenset[MailKind]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: TO_DO,
        MailKind.APPLICATION_RETURNED: TO_DO,
        MailKind.APPLICATION_NEARS_LAPSE: frozenset((MailKind.APPLICATION_NEARS_LAPSE,)),
        MailKind.APPLICATION_LAPSED: TO_DO,
        MailKind.APPLICATION_REFUSED: TO_DO,
        MailKind.CERTIFICATE_ISSUED: TO_DO,
        **{kind: frozenset(REMINDERS[: place + 1]) for place, kind in enumerate(REMINDERS)},
        MailKind.CERTIFICATE_REVOKED: frozenset((*REMINDERS, MailKind.CERTIFICATE_REVOKED)),
    }
)
"""The kinds that a new mail of the same case makes outdated: the task is done or over, or a newer reminder follows."""

LIMITED = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED))
"""The kinds that a customer can cause again and again."""


class Letterhead(Value):
    """Who signs a mail: the address it comes from, what the authority is called in its language, and whom to ask.

    `closing` takes the place of our last sentences.
    """

    sender: str
    name: str
    contact: str
    closing: str = ""


class MailTask(Value):
    """One mail to one recipient. `date` is the event's time, so that a repeat has the same bytes.

    `letterhead` is what the authority's file said when the mail was decided; tasks of release 1.1 have none.
    `give_up_at` is when it is no longer retried (C3), `attempts` how often it was tried before. `refused_since` is when
    a mail server first refused it in a way that may be about us (see `smtp.domain.refusals`).
    """

    mail_id: UUID
    case_id: UUID
    language: Language
    recipient: Recipient
    date: Instant
    give_up_at: Instant
    content: Annotated[Content, Field(discriminator="kind")]
    attempts: Annotated[int, Field(ge=0)] = 0
    refused_since: Instant | None = None
    letterhead: Letterhead | None = None


class MailState(StrEnum):
    """The state of a mail (C3).

    `planned`: not tried yet. `deferred`: could not be handed over, is retried. `superseded`: replaced by a later mail
    and not retried; an attempt under way may still end as handed over. `bounced`: returned after the hand-over.
    """

    PLANNED = "planned"
    DEFERRED = "deferred"
    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    GIVEN_UP = "given-up"
    SUPERSEDED = "superseded"
    BOUNCED = "bounced"


OPEN = (MailState.PLANNED, MailState.DEFERRED)
"""The states of a mail that is tried, or retried."""

AttemptState = Literal[MailState.DEFERRED, MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP]
NO_ANSWER = "none"


class MailOutcome(Value):
    """The outcome of an attempt. `answer` is the reply code, with the enhanced status code if there is one (RFC 3463).

    It never holds the server's text, which often repeats the address. `relay` is the mail server that answered, as
    host:port. `give_up_at` is the mail's from then on.
    """

    AUDITED: ClassVar[tuple[str, ...]] = ("mail_id", "state", "answer", "attempts")

    mail_id: UUID
    state: AttemptState
    answer: Annotated[str, StringConstraints(pattern=r"^(none|[2-5]\d\d( [245]\.\d{1,3}\.\d{1,3})?)$")]
    relay: str | None = None
    refused_since: Instant | None = None
    attempts: Annotated[int, Field(ge=1)]
    at: Instant
    give_up_at: Instant | None = None


class NoticeKind(StrEnum):
    RESEND = "resend"
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice about a mail that comes from no topic: an operator's request to send it again, or a bounce report.

    `text` is the operator's reason or the bounce's status, `address` an operator's new address for the mail.
    """

    id: UUID
    case_id: UUID
    mail_id: UUID
    kind: NoticeKind
    text: str
    at: datetime
    address: str | None = None

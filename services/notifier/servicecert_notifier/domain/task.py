"""What a planned mail carries until it is handed over, and what came of it. Both are durable, so both are models."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.mail import AnswerClass, MailKind
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.values import CertificateType, Instant, Language, Value


class IssuedContent(Value):
    """What a mail with a certificate tells (C1, C2). `certificate` and `chain` are base64 of DER; serial numbers and fingerprint as in the event."""

    kind: Literal[MailKind.CERTIFICATE_ISSUED] = MailKind.CERTIFICATE_ISSUED
    type: CertificateType
    serial: str
    serial_decimal: str
    subject: str
    not_before: Instant
    not_after: Instant
    fingerprint: str
    certificate: str
    chain: tuple[str, ...]


class ReturnedContent(Value):
    """What a mail about a returned application tells (A10). `deficiencies` are sentences in the mail's language; `lapses` is when the case lapses."""

    kind: Literal[MailKind.APPLICATION_RETURNED] = MailKind.APPLICATION_RETURNED
    type: CertificateType
    applied_for: str
    customer_reference: str | None
    deficiencies: tuple[str, ...]
    lapses: Instant | None


class RevokedContent(Value):
    """What a mail about a revoked certificate tells (D5)."""

    kind: Literal[MailKind.CERTIFICATE_REVOKED] = MailKind.CERTIFICATE_REVOKED
    serial: str
    serial_decimal: str
    subject: str
    reason: RevocationReason
    requested_at: Instant
    revoked_at: Instant
    invalid_since: Instant | None
    crl_number: int
    crl_url: str


class InvitedContent(Value):
    """What tells the technical contact that a certificate request is awaited (A3). `unit` is who applies; `lapses` is when the case lapses."""

    kind: Literal[MailKind.CSR_INVITED] = MailKind.CSR_INVITED
    type: CertificateType
    applied_for: str
    unit: str
    dns: tuple[str, ...]
    lapses: Instant | None


class NearsLapseContent(Value):
    """What a mail about an application tells that lapses soon (A12, E2). `lacking` are sentences in the mail's language."""

    kind: Literal[MailKind.APPLICATION_NEARS_LAPSE] = MailKind.APPLICATION_NEARS_LAPSE
    type: CertificateType
    applied_for: str
    customer_reference: str | None
    waits_for_csr: bool
    lacking: tuple[str, ...]
    since: Instant
    lapses: Instant


class LapsedContent(Value):
    """What a mail about a lapsed application tells (A12). `since` is when the application came in."""

    kind: Literal[MailKind.APPLICATION_LAPSED] = MailKind.APPLICATION_LAPSED
    type: CertificateType
    applied_for: str
    customer_reference: str | None
    since: Instant


class RefusedContent(Value):
    """What a mail about a refused application tells: the reasons, as sentences in the mail's language."""

    kind: Literal[MailKind.APPLICATION_REFUSED] = MailKind.APPLICATION_REFUSED
    type: CertificateType
    applied_for: str
    customer_reference: str | None
    reasons: tuple[str, ...]


class ExpiringContent(Value):
    """What a mail about a certificate tells that ends soon (C4)."""

    kind: Literal[MailKind.EXPIRES_IN_60_DAYS, MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_7_DAYS]
    type: CertificateType
    serial: str
    serial_decimal: str
    subject: str
    not_after: Instant
    days_left: int


class AddressRefusedContent(Value):
    """What tells one recipient that a mail to another one was refused for good (C3). It names the other's role, never the address (E3)."""

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
"""The kinds that remind of a certificate's end."""


class MailTask(Value):
    """One mail to one recipient. `date` is the event's time, so that a repeat has the same bytes; `give_up_at` ends the tries (C3).

    `attempts` is how often it was tried before.
    """

    mail_id: UUID
    case_id: UUID
    language: Language
    recipient: Recipient
    date: Instant
    give_up_at: Instant
    content: Annotated[Content, Field(discriminator="kind")]
    attempts: Annotated[int, Field(ge=0)] = 0


class MailState(StrEnum):
    """Where a mail stands (C3).

    A `planned` one is on its way. A `deferred` one could not be handed over and is tried again. A `superseded` one is tried no more, since a later mail
    says what holds; where it was under way at that moment it may still end as handed over. What was handed over can come back: `bounced`.
    """

    PLANNED = "planned"
    DEFERRED = "deferred"
    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    GIVEN_UP = "given-up"
    SUPERSEDED = "superseded"
    BOUNCED = "bounced"


NO_ANSWER = "none"


class MailOutcome(Value):
    """What came of trying a mail. `answer` is the reply code, with the enhanced status code if there was one (RFC 3463), and never the server's words:

    they tend to repeat the address.
    """

    AUDITED: ClassVar[tuple[str, ...]] = ("mail_id", "state", "answer", "attempts")

    mail_id: UUID
    state: Literal[MailState.DEFERRED, MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP]
    answer: Annotated[str, StringConstraints(pattern=r"^(none|[2-5]\d\d( [245]\.\d{1,3}\.\d{1,3})?)$")]
    attempts: Annotated[int, Field(ge=1)]
    at: Instant

    @property
    def answer_class(self) -> AnswerClass:
        """The class of the answer. What never got as far as an answer, or only to 3xx, has none."""
        return {"2": AnswerClass.ACCEPTED, "4": AnswerClass.TEMPORARY, "5": AnswerClass.PERMANENT}.get(
            self.answer[0], AnswerClass.NO_ANSWER
        )

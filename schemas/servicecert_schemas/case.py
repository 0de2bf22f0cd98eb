"""The customer's view of a case (topic `cases`): the last one of each case is all that a page needs (E1, E4)."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from .certificate import RecipientRole, Recipients
from .event import CaseEvent, EventData
from .mail import MailKind
from .revocation import RevocationReason
from .values import (
    AddressText,
    CertificateType,
    DecimalSerialNumber,
    DistinguishedName,
    Identifier,
    Instant,
    Language,
    LongText,
    Number,
    SerialNumber,
    Sha256,
    Text,
    Texts,
    Usage,
    Value,
)


class CaseState(StrEnum):
    """Where a case stands (E1)."""

    SUBMITTED = "submitted"
    WAITING_FOR_CSR = "waiting-for-csr"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    ISSUED = "issued"
    DELIVERED = "delivered"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    REVOCATION_REQUESTED = "revocation-requested"
    REVOKED = "revoked"


class Deficiency(Value):
    """One thing that an application lacks (A10): a stable code, the field of the form, and what to do."""

    code: Identifier
    field: Text
    texts: Texts


class AppliedFor(Value):
    """What is applied for, as the customer wrote it."""

    business_id: Text
    unit_long_name: Text
    dns: Annotated[tuple[AddressText, ...], Field(max_length=100)] = ()
    ip: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    usages: Annotated[tuple[Usage, ...], Field(max_length=2)] = ()
    information_system: Text | None = None
    customer_reference: Text | None = None


class GrantedDecision(Value):
    """The decision (beslut) that grants the application."""

    decision_id: UUID
    date: date


class CaseCertificate(Value):
    """The certificate of the case, as the opened decision shows it."""

    serial: SerialNumber
    serial_decimal: DecimalSerialNumber
    issuer: Identifier
    subject: DistinguishedName
    not_before: Instant
    not_after: Instant
    fingerprint: Sha256


class RevocationState(StrEnum):
    """Where the revocation of the certificate stands."""

    REQUESTED = "requested"
    REVOKED = "revoked"


class CaseRevocation(Value):
    """The revocation of the certificate."""

    state: RevocationState
    reason: RevocationReason
    requested_at: Instant
    revoked_at: Instant | None = None


class DeliveryProblem(StrEnum):
    """Why a mail is not with its recipient: the address or the mail was refused, nobody took it in time, or it came back later."""

    REFUSED = "refused"
    GIVEN_UP = "given-up"
    BOUNCED = "bounced"


class Delivery(Value):
    """A mail that was handed over, or was not and why, by the recipient's role."""

    kind: MailKind
    recipient: RecipientRole
    delivered: bool
    at: Instant
    problem: DeliveryProblem | None = None


class HistoryEntry(Value):
    """A state that the case came to, and when."""

    state: CaseState
    at: Instant


class Answer(Value):
    """The answer to an event that did not fit the case: why nothing changed, and what to do."""

    event_id: UUID
    code: Identifier
    texts: Texts
    at: Instant


class Difference(Value):
    """What a renewal has otherwise than the certificate that it follows (A14): which part, and both values as text.

    Of a list, such as the names, `removed` and `added` are all that differs; `before` and `now` may be cut.
    """

    field: Text
    before: LongText
    now: LongText
    texts: Texts
    removed: Annotated[tuple[AddressText, ...], Field(max_length=200)] = ()
    added: Annotated[tuple[AddressText, ...], Field(max_length=200)] = ()


class Renewal(Value):
    """The certificate that an application follows, what differs, and a warning where its key is used again (A14)."""

    serial: SerialNumber
    differences: Annotated[tuple[Difference, ...], Field(max_length=20)] = ()
    key_reused: Texts | None = None


class CaseChanged(CaseEvent):
    """The whole view of a case. `version` grows by one with each."""

    TYPE: ClassVar[str] = "servicecert.case.changed.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("state", "version")

    account_id: Identifier
    version: Number
    state: CaseState
    type: CertificateType
    language: Language
    applied_for: AppliedFor
    deficiencies: Annotated[tuple[Deficiency, ...], Field(max_length=200)] = ()
    next_step: Texts
    due: Instant | None = None
    decision: GrantedDecision | None = None
    certificate: CaseCertificate | None = None
    revocation: CaseRevocation | None = None
    deliveries: Annotated[tuple[Delivery, ...], Field(max_length=100)] = ()
    answer: Answer | None = None
    history: Annotated[tuple[HistoryEntry, ...], Field(min_length=1, max_length=200)]
    recipients: Recipients = ()
    lapses: Instant | None = None
    renewal: Renewal | None = None


class EventRefused(EventData):
    """An event of the e-service that nobody's case answers: its user may not act there, or there is no such case (A2).

    The words are the same for both, so that nobody learns which cases exist. It is keyed by the account that the user acted for, and displaces no case.
    """

    TYPE: ClassVar[str] = "servicecert.event.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("event_id", "case_id", "code")

    event_id: UUID
    case_id: UUID
    account_id: Identifier
    code: Identifier
    texts: Texts
    at: Instant

    def key(self) -> str:
        return f"account/{self.account_id}"

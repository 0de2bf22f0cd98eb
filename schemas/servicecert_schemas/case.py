"""The customer's view of a case (topic `cases`). A page needs only the last one of each case (E1, E4)."""

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from .certificate import RecipientRole, Recipients
from .event import CaseEvent, EventData
from .mail import MailKind
from .open_list import Open
from .revocation import RevocationReason
from .values import (
    NAMES_NOBODY,
    AddressText,
    Base64,
    CertificateType,
    Count,
    Day,
    DecimalSerialNumber,
    DistinguishedName,
    Identifier,
    Instant,
    Language,
    LongText,
    SerialNumber,
    Sha256,
    Text,
    Texts,
    Usage,
    Value,
    at_most,
)


class CaseState(StrEnum):
    """The state of a case (E1).

    Open: show the state's identifier and `next_step`; the case is not over.
    """

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


class NextActor(StrEnum):
    """Who acts next in a case.

    Open: nobody whom the reader knows; `next_step` says it in words.
    """

    APPLICANT = "applicant"
    TECHNICAL_CONTACT = "technical-contact"
    AUTHORITY = "authority"
    NOBODY = "nobody"


NEXT_ACTORS = MappingProxyType(
    {
        CaseState.SUBMITTED: NextActor.AUTHORITY,
        CaseState.WAITING_FOR_CSR: NextActor.TECHNICAL_CONTACT,
        CaseState.RETURNED: NextActor.APPLICANT,
        CaseState.ACCEPTED: NextActor.AUTHORITY,
        CaseState.ISSUED: NextActor.AUTHORITY,
        CaseState.DELIVERED: NextActor.NOBODY,
        CaseState.LAPSED: NextActor.NOBODY,
        CaseState.WITHDRAWN: NextActor.NOBODY,
        CaseState.REFUSED: NextActor.NOBODY,
        CaseState.REVOCATION_REQUESTED: NextActor.AUTHORITY,
        CaseState.REVOKED: NextActor.NOBODY,
    }
)
"""Who acts next in each state, if nothing else is known of the case."""


class Deficiency(Value):
    """A deficiency of an application (A10): a stable code, the field of the form, and what to do."""

    code: Identifier
    field: Text
    texts: Texts


class AppliedFor(Value):
    """The subject of the application, as the customer wrote it."""

    business_id: Text
    unit_long_name: Text
    dns: Annotated[tuple[AddressText, ...], at_most(100)] = ()
    ip: Annotated[tuple[Text, ...], at_most(100)] = ()
    usages: Annotated[tuple[Usage, ...], at_most(2)] = ()
    information_system: Text | None = None
    customer_reference: Text | None = None


class GrantedDecision(Value):
    """The decision (beslut) that grants the application."""

    decision_id: UUID
    date: Day


class CaseCertificate(Value):
    """The certificate of the case, as the decision shows it."""

    serial: SerialNumber
    serial_decimal: DecimalSerialNumber
    issuer: Identifier
    subject: DistinguishedName
    not_before: Instant
    not_after: Instant
    fingerprint: Sha256
    der: Annotated[Base64, NAMES_NOBODY] | None = None
    """The certificate, for who has lost the mail. Views of an earlier release lack it."""


class RevocationState(StrEnum):
    """The state of the certificate's revocation.

    Open: show its identifier; the certificate does not count as revoked yet.
    """

    REQUESTED = "requested"
    REVOKED = "revoked"


class CaseRevocation(Value):
    """The revocation of the certificate: when it was requested, decided, and published, in this order.

    `revoked_at` is the moment of the decision, which the CRL has in whole seconds, rounded down. From `published_at` on
    everybody can know it: the 24 hours of D4 end there. Views of earlier versions lack it.
    """

    state: Open[RevocationState]
    reason: Open[RevocationReason]
    requested_at: Instant
    revoked_at: Instant | None = None
    published_at: Instant | None = None


class DeliveryProblem(StrEnum):
    """Why a mail was not delivered: it was refused, not accepted in time, or returned later.

    Open: show its identifier; `delivered` says whether the mail arrived.
    """

    REFUSED = "refused"
    GIVEN_UP = "given-up"
    BOUNCED = "bounced"


class Delivery(Value):
    """A mail, by the recipient's role: whether it was delivered, and why not."""

    kind: Open[MailKind]
    recipient: Open[RecipientRole]
    delivered: bool
    at: Instant
    problem: Open[DeliveryProblem] | None = None


class HistoryEntry(Value):
    """A state of the case, and when it began."""

    state: Open[CaseState]
    at: Instant


class Answer(Value):
    """The answer to an event that the case's state does not allow: why nothing changed, and what to do."""

    event_id: UUID
    code: Identifier
    texts: Texts
    at: Instant


class Difference(Value):
    """A difference between a renewal and the certificate that it follows (A14): the field, and both values as text.

    Of a list, such as the names, `removed` and `added` are complete; `before` and `now` may be cut.
    """

    field: Text
    before: LongText
    now: LongText
    texts: Texts
    removed: Annotated[tuple[AddressText, ...], at_most(200)] = ()
    added: Annotated[tuple[AddressText, ...], at_most(200)] = ()


class Renewal(Value):
    """The certificate that an application follows, the differences, and a warning if its key is reused (A14)."""

    serial: SerialNumber
    differences: Annotated[tuple[Difference, ...], at_most(20)] = ()
    key_reused: Texts | None = None


class CaseChangedV1(CaseEvent):
    """The whole view of a case, as version 1 had it: without `acts_next`."""

    TYPE: ClassVar[str] = "servicecert.case.changed.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("state", "version")
    MOST_STRUCTURE: ClassVar[int] = 20_480

    account_id: Identifier
    version: Count
    state: Open[CaseState]
    type: CertificateType
    language: Language
    applied_for: AppliedFor
    deficiencies: Annotated[tuple[Deficiency, ...], at_most(200)] = ()
    next_step: Texts
    due: Instant | None = None
    decision: GrantedDecision | None = None
    certificate: CaseCertificate | None = None
    revocation: CaseRevocation | None = None
    deliveries: Annotated[tuple[Delivery, ...], at_most(100)] = ()
    answer: Answer | None = None
    history: Annotated[tuple[HistoryEntry, ...], Field(min_length=1), at_most(200)]
    recipients: Recipients = ()
    lapses: Instant | None = None
    renewal: Renewal | None = None

    def replaces(self, earlier: EventData) -> bool:
        """Return whether this view follows from an earlier one by nothing but mails: nobody waits for that one."""
        if not isinstance(earlier, CaseChangedV1) or earlier.answer != self.answer or earlier.version >= self.version:
            return False
        return earlier.state is CaseState.ISSUED and self.state in (CaseState.ISSUED, CaseState.DELIVERED)


class CaseChanged(CaseChangedV1):
    """The whole view of a case. `version` grows with each event, by one with each change.

    A view of an issued certificate is left out if another one follows at once: the later view's history has its state.
    `acts_next` follows from more than the state: who has to act on a mail that did not arrive, for instance.
    """

    TYPE: ClassVar[str] = "servicecert.case.changed.v2"

    acts_next: Open[NextActor]


class EventRefused(EventData):
    """An event of the e-service was refused: its user may not act in the case, or the case does not exist (A2).

    The text is the same for both, to not disclose which cases exist. The key is the user's account, not the case, so
    nobody erases it: the text quotes nothing of the event.
    """

    TYPE: ClassVar[str] = "servicecert.event.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("event_id", "case_id", "code")

    event_id: UUID
    case_id: UUID
    account_id: Identifier
    code: Identifier
    texts: Annotated[Texts, NAMES_NOBODY]
    at: Instant

    def key(self) -> str:
        return f"account/{self.account_id}"

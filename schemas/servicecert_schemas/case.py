"""The customer's view of a case (topic `cases`). A page needs only the last one of each case (E1, E4)."""

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from . import values
from .certificate import RecipientRole, Recipients
from .event import CaseEvent, EventData
from .mail import MailKind
from .open_list import Open
from .revocation import RevocationReason


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


class Deficiency(values.Value):
    """A deficiency of an application (A10): a stable code, the field of the form, and what to do."""

    code: values.Code
    field: values.Text
    """Where it is in the form, such as names.dns[2]; also attachments and csr."""
    texts: values.Texts
    """What is wrong and what to do."""


class AppliedFor(values.Value):
    """The subject of the application, as the customer wrote it."""

    business_id: values.Text
    """As in the form."""
    unit_long_name: values.Text
    """As in the form."""
    dns: Annotated[tuple[values.AddressText, ...], values.at_most(100)] = ()
    """The host names of the form, as many as fit the view."""
    ip: Annotated[tuple[values.Text, ...], values.at_most(100)] = ()
    """The IP addresses of the form, as many as fit the view."""
    usages: Annotated[tuple[values.Usage, ...], values.at_most(2)] = ()
    """As in the form; empty for system signatures."""
    information_system: values.Text | None = None
    """The name of the information system."""
    customer_reference: values.Text | None = None
    """The customer's own reference."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the certificate is for: the server's names, the information system, or the unit."""
        return (*self.dns, *self.ip) or (self.information_system or self.unit_long_name,)


class GrantedDecision(values.Value):
    """The decision (beslut) that grants the application."""

    decision_id: UUID
    """The id of the decision, for ever."""
    date: values.Day
    """The day on which the application was accepted."""


class CaseCertificate(values.Value):
    """The certificate of the case, as the decision shows it."""

    serial: values.SerialNumber
    serial_decimal: values.DecimalSerialNumber
    issuer: values.CaId
    subject: values.DistinguishedName
    not_before: values.NotBefore
    not_after: values.NotAfter
    fingerprint: values.Fingerprint
    der: Annotated[values.Base64, values.NAMES_NOBODY] | None = None
    """The certificate in DER, for who has lost the mail. Views of an earlier release lack it."""


class RevocationState(StrEnum):
    """The state of the certificate's revocation.

    Open: show its identifier; the certificate does not count as revoked yet.
    """

    REQUESTED = "requested"
    REVOKED = "revoked"


class CaseRevocation(values.Value):
    """The revocation of the certificate: when it was requested, decided, and published, in this order."""

    state: Open[RevocationState]
    reason: Open[RevocationReason]
    requested_at: values.Instant
    """When the user sent the request, from which the 24 hours run (D4)."""
    revoked_at: values.Instant | None = None
    """When it was decided: the CRL's revocationDate, or `requested_at` if that is later."""
    published_at: values.Instant | None = None
    """When everybody could know it: the 24 hours end here (D4). Views of earlier versions lack it."""


class DeliveryProblem(StrEnum):
    """Why a mail was not delivered: it was refused, not accepted in time, or returned later.

    Open: show its identifier; `delivered` says whether the mail arrived.
    """

    REFUSED = "refused"
    GIVEN_UP = "given-up"
    BOUNCED = "bounced"


class Delivery(values.Value):
    """A mail, by the recipient's role: whether it was delivered, and why not."""

    kind: Open[MailKind]
    recipient: Open[RecipientRole]
    delivered: bool
    """Whether the mail server accepted the mail, and it has not bounced."""
    at: values.Instant
    """When that became known."""
    problem: Open[DeliveryProblem] | None = None
    """Why it did not arrive; null if it did."""
    planned_at: values.Instant | None = None
    """When the mail was planned. Null in views of earlier releases."""


class HistoryEntry(values.Value):
    """A state of the case, and when it began."""

    state: Open[CaseState]
    at: values.Instant
    """When the state began."""


class Answer(values.Value):
    """The answer to an event that the case's state does not allow: why nothing changed, and what to do."""

    event_id: UUID
    """The `ce_id` of the event that is answered; of a revocation its `request_id`."""
    code: values.Code
    texts: values.Texts
    """Why nothing changed, and what to do."""
    at: values.Instant
    """When the answer was given."""


class Difference(values.Value):
    """A difference between a renewal and the certificate that it follows (A14): the field, and both values as text."""

    field: values.Text
    """The field that differs, such as names.dns."""
    before: values.LongText
    """The value in the earlier certificate. It may be cut."""
    now: values.LongText
    """The value in this application. It may be cut."""
    texts: values.Texts
    """The difference in words."""
    removed: Annotated[tuple[values.AddressText, ...], values.at_most(200)] = ()
    """Of a list: all that only the earlier certificate has."""
    added: Annotated[tuple[values.AddressText, ...], values.at_most(200)] = ()
    """Of a list: all that only this application has."""


class Renewal(values.Value):
    """The certificate that an application follows, and what differs (A14)."""

    serial: values.SerialNumber
    differences: Annotated[tuple[Difference, ...], values.at_most(20)] = ()
    """Everything that differs in subject, names and key usage."""
    key_reused: values.Texts | None = None
    """A warning if the key is the earlier certificate's; else null."""


class CaseChangedV1(CaseEvent):
    """Published when a case changed, by early releases: the whole view of the case, without `acts_next`."""

    TYPE: ClassVar[str] = "servicecert.case.changed.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("state", "version")
    MOST_STRUCTURE: ClassVar[int] = 20_480

    account_id: values.AccountId
    version: values.Count
    """Grows with each view. Use a view only if it is higher than the one that you have."""
    state: Open[CaseState]
    type: values.CertificateType
    language: values.Language
    applied_for: AppliedFor
    deficiencies: Annotated[tuple[Deficiency, ...], values.at_most(200)] = ()
    """All that is missing or wrong; empty unless returned or refused (A10)."""
    next_step: values.Texts
    """What to do next, and who: show it unchanged."""
    due: values.Instant | None = None
    """When the certificate is due: the end of the fifth weekday (A13). Null until the application is complete."""
    decision: GrantedDecision | None = None
    """Null until the application is accepted. The case is a granted permit with it (E4)."""
    certificate: CaseCertificate | None = None
    """Null until the certificate is issued."""
    revocation: CaseRevocation | None = None
    """Null until a request for revocation is granted."""
    deliveries: Annotated[tuple[Delivery, ...], values.at_most(100)] = ()
    """The newest outcomes of mails, the latest last."""
    answer: Answer | None = None
    """The answer to an event that changed nothing, until the next event of a user; null if there is none."""
    history: Annotated[tuple[HistoryEntry, ...], Field(min_length=1), values.at_most(200)]
    """All states with their moments, the oldest first. It ends with `state`."""
    recipients: Recipients = ()
    """Who receives the certificate and the mails of the case."""
    lapses: values.Instant | None = None
    """The last second in which an incomplete application can be completed (A12); null if it is not open."""
    renewal: Renewal | None = None
    """The comparison with the certificate that `follows` names; null without one."""

    def replaces(self, earlier: EventData) -> bool:
        """Return whether this view follows from an earlier one by nothing but mails: nobody waits for that one."""
        if not isinstance(earlier, CaseChangedV1) or earlier.answer != self.answer or earlier.version >= self.version:
            return False
        return earlier.state is CaseState.ISSUED and self.state in (CaseState.ISSUED, CaseState.DELIVERED)


class CaseChanged(CaseChangedV1):
    """Published when a case changed: the whole view of the case.

    A view of an issued certificate is left out if another one follows at once: the later view's history has its state,
    and `version` grows by more than one.
    """

    TYPE: ClassVar[str] = "servicecert.case.changed.v2"

    acts_next: Open[NextActor]
    """Who acts next: mostly as the state says, but the applicant where a mail did not arrive."""
    returned_again: values.Count = 0
    """How often a returned application was supplemented and returned again: each time the applicant gets a mail."""


NO_CASE = UUID(int=0)
"""The nil UUID (RFC 9562, 5.9): the case of a refused event that names none."""


class EventRefused(EventData):
    """Published when an event of the e-service is refused: its user may not act, or the case does not exist (A2).

    The text is the same for both, to not disclose which cases exist. The key is the user's account, not the case, so
    nobody erases it. A record of `accounts` is refused also where it is no valid event, if its key and `ce_id` can be
    read.
    """

    TYPE: ClassVar[str] = "servicecert.event.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("event_id", "case_id", "code")

    event_id: UUID
    """The `ce_id` of the refused event; of a revocation its `request_id`."""
    case_id: UUID
    """The case that the event named, whether it exists or not; the nil UUID for a record of `accounts`."""
    account_id: values.AccountId
    """The account that the user acted for, or which a record of `accounts` is about: the record's key."""
    code: values.Code
    texts: Annotated[values.Texts, values.NAMES_NOBODY]
    """Why nothing changed, and what to do. It quotes nothing of the event."""
    at: values.Instant
    """When it was refused."""

    def key(self) -> str:
        return f"account/{self.account_id}"

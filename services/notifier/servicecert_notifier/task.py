"""What a planned mail carries until it is handed over, and what came of it. Both are durable, so both are models."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints
from servicecert_schemas.case import Deficiency
from servicecert_schemas.certificate import Recipient
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
    """What a mail about a returned application tells (A10). `deficiencies` are sentences in the mail's language; `due` is when the case lapses."""

    kind: Literal[MailKind.APPLICATION_RETURNED] = MailKind.APPLICATION_RETURNED
    type: CertificateType
    applied_for: str
    customer_reference: str | None
    deficiencies: tuple[str, ...]
    due: Instant | None


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


Content = IssuedContent | ReturnedContent | RevokedContent

KINDS = (MailKind.CERTIFICATE_ISSUED, MailKind.APPLICATION_RETURNED, MailKind.CERTIFICATE_REVOKED)
"""The kinds of mail that are written: one for each content."""


class MailTask(Value):
    """One mail to one recipient. `date` is the event's time, so that a repeat has the same bytes; `give_up_at` ends the tries (C3)."""

    mail_id: UUID
    case_id: UUID
    language: Language
    recipient: Recipient
    date: Instant
    give_up_at: Instant
    content: Annotated[Content, Field(discriminator="kind")]


class MailState(StrEnum):
    """Where a mail stands. All but `planned` are final."""

    PLANNED = "planned"
    HANDED_OVER = "handed-over"
    REFUSED = "refused"
    GIVEN_UP = "given-up"


NO_ANSWER = "none"


class MailOutcome(Value):
    """What came of a mail. `answer` is the reply code, with the enhanced status code if there was one (RFC 3463), and never the server's words:

    they tend to repeat the address.
    """

    mail_id: UUID
    state: Literal[MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP]
    answer: Annotated[str, StringConstraints(pattern=r"^(none|[2-5]\d\d( [245]\.\d{1,3}\.\d{1,3})?)$")]
    attempts: Annotated[int, Field(ge=1)]
    at: Instant

    @property
    def answer_class(self) -> AnswerClass:
        """The class of the answer. What never got as far as an answer, or only to 3xx, has none."""
        return {"2": AnswerClass.ACCEPTED, "4": AnswerClass.TEMPORARY, "5": AnswerClass.PERMANENT}.get(
            self.answer[0], AnswerClass.NO_ANSWER
        )


def sentences(deficiencies: tuple[Deficiency, ...], language: Language) -> tuple[str, ...]:
    """The deficiencies as sentences in one language."""
    return tuple(deficiency.texts.in_language(language) for deficiency in deficiencies)

"""What became of a mail (topic `notifications`). The address itself is never named."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from .certificate import RecipientRole
from .event import CaseEvent
from .values import Instant


class MailKind(StrEnum):
    """What a mail tells."""

    CERTIFICATE_ISSUED = "certificate-issued"
    APPLICATION_RETURNED = "application-returned"
    CERTIFICATE_REVOKED = "certificate-revoked"


class AnswerClass(StrEnum):
    """The class of the mail server's last answer (RFC 5321 section 4.2.1)."""

    ACCEPTED = "2xx"
    TEMPORARY = "4xx"
    PERMANENT = "5xx"
    NO_ANSWER = "none"


class MailEvent(CaseEvent):
    """An event of one row of the mail ledger (C3)."""

    mail_id: UUID
    kind: MailKind
    recipient: RecipientRole
    answer: AnswerClass
    attempts: Annotated[int, Field(ge=1)]
    at: Instant


class MailHandedOver(MailEvent):
    """The mail server took responsibility for the mail."""

    TYPE: ClassVar[str] = "servicecert.mail.handed-over.v1"


class MailRefused(MailEvent):
    """The mail server refused the mail for good."""

    TYPE: ClassVar[str] = "servicecert.mail.refused.v1"


class MailGivenUp(MailEvent):
    """The mail could not be handed over for as long as delivery was due."""

    TYPE: ClassVar[str] = "servicecert.mail.given-up.v1"

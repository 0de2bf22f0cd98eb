"""The outcomes of mails (topic `notifications`), without addresses."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from .certificate import RecipientRole
from .event import CaseEvent
from .open_list import Open
from .values import Count, Instant


class MailKind(StrEnum):
    """The kind of a mail (C1, C4, D5). Each reminder of a certificate's end is a kind, sent once to each recipient.

    Open: show the kind's identifier; no decision depends on an unknown kind.
    """

    CSR_INVITED = "csr-invited"
    APPLICATION_RETURNED = "application-returned"
    APPLICATION_NEARS_LAPSE = "application-nears-lapse"
    APPLICATION_LAPSED = "application-lapsed"
    APPLICATION_REFUSED = "application-refused"
    CERTIFICATE_ISSUED = "certificate-issued"
    EXPIRES_IN_60_DAYS = "expires-in-60-days"
    EXPIRES_IN_30_DAYS = "expires-in-30-days"
    EXPIRES_IN_7_DAYS = "expires-in-7-days"
    CERTIFICATE_REVOKED = "certificate-revoked"
    ADDRESS_REFUSED = "address-refused"


class AnswerClass(StrEnum):
    """The class of the mail server's last answer (RFC 5321 section 4.2.1).

    Open: show its identifier; the type of the event says what became of the mail.
    """

    ACCEPTED = "2xx"
    TEMPORARY = "4xx"
    PERMANENT = "5xx"
    NO_ANSWER = "none"


class MailEvent(CaseEvent):
    """An event of one row of the mail ledger (C3)."""

    AUDITED: ClassVar[tuple[str, ...]] = ("kind", "recipient", "answer")

    mail_id: UUID
    """The row of the mail ledger (C3)."""
    kind: Open[MailKind]
    recipient: Open[RecipientRole]
    answer: Open[AnswerClass]
    attempts: Count
    """How many times it was tried."""
    at: Instant
    """When this became known."""
    planned_at: Instant | None = None
    """When the mail was planned. Null in events of earlier releases."""


class MailHandedOver(MailEvent):
    """Published when the mail server accepts a mail."""

    TYPE: ClassVar[str] = "servicecert.mail.handed-over.v1"


class MailRefused(MailEvent):
    """Published when the mail server refuses a mail permanently."""

    TYPE: ClassVar[str] = "servicecert.mail.refused.v1"


class MailGivenUp(MailEvent):
    """Published when a mail could not be handed over in time."""

    TYPE: ClassVar[str] = "servicecert.mail.given-up.v1"


class MailBounced(MailEvent):
    """Published when a mail bounces after the hand-over (RFC 3464). `answer` is `5xx`, though a server accepted it."""

    TYPE: ClassVar[str] = "servicecert.mail.bounced.v1"

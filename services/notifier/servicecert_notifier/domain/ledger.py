"""The mail ledger of a case: one row for each mail, so that it is sent once (C3, I9). No row holds an address (E3)."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind

from .case_facts import NO_FACTS, CaseFacts
from .task import MailState, MailTask

_MAILS = UUID("6f0b1f0e-6c0e-5d52-9d1c-5f1f6d9f3a51")


def mail_id(case_id: UUID, kind: MailKind, occasion: str, role: RecipientRole, place: int) -> UUID:
    """Return the id of a mail. It is the same each time it is planned, and derived from nothing personal."""
    return uuid5(_MAILS, f"{case_id}/{kind}/{occasion}/{role}/{place}")


def resend_id(notice_id: UUID) -> UUID:
    """Return the id of the mail that an operator's request causes."""
    return uuid5(_MAILS, f"resend/{notice_id}")


@dataclass(frozen=True, slots=True)
class Row:
    """One mail. `occasion` is its cause, `place` counts a role's addresses from 1; `answer`, `relay` and
    `refused_since` are as in `MailOutcome`.

    `copy` counts how often an operator had it sent again, for a `reason`; `resends` is the mail that this one repeats.
    `superseded_by` is the mail that replaced it. `bounce` is the status in the bounce report (RFC 3463). `order` is the
    mail's task: set on a new row only, and stored in a table of its own until the case is erased.
    """

    mail_id: UUID
    kind: MailKind
    occasion: str
    recipient: RecipientRole
    place: int
    planned_at: datetime
    copy: int = 0
    give_up_at: datetime | None = None
    state: MailState = MailState.PLANNED
    attempts: int = 0
    answer: str | None = None
    relay: str | None = None
    refused_since: datetime | None = None
    first_tried_at: datetime | None = None
    tried_at: datetime | None = None
    next_try_at: datetime | None = None
    settled_at: datetime | None = None
    resends: UUID | None = None
    reason: str | None = None
    superseded_by: UUID | None = None
    bounce: str | None = None
    bounced_at: datetime | None = None
    order: MailTask | None = field(default=None, compare=False, repr=False)


class NoticeKind(StrEnum):
    """The kinds of notices."""

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


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of a case, in the order in which they were planned, and the facts of the case."""

    case_id: UUID
    rows: tuple[Row, ...] = ()
    facts: CaseFacts = NO_FACTS

    def row(self, mail_id: UUID) -> Row:
        """Return the row of a mail. Raise `LookupError` if the ledger has none."""
        for row in self.rows:
            if row.mail_id == mail_id:
                return row
        raise LookupError(f"The mail ledger of this case has no mail {mail_id}.")

    def with_planned(self, rows: tuple[Row, ...]) -> "Ledger":
        """Return the ledger with more rows at its end."""
        return replace(self, rows=self.rows + rows)

    def with_row(self, changed: Row) -> "Ledger":
        """Return the ledger with one row replaced."""
        return replace(self, rows=tuple(changed if row.mail_id == changed.mail_id else row for row in self.rows))

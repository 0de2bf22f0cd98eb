"""The mail ledger of a case: one row for each mail that is owed, by which a mail is sent once (C3, I9). No row holds an address (E3)."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind

from .case_facts import NOTHING, Standing
from .task import MailState, MailTask

_MAILS = UUID("6f0b1f0e-6c0e-5d52-9d1c-5f1f6d9f3a51")


def mail_id(case_id: UUID, kind: MailKind, occasion: str, role: RecipientRole, place: int) -> UUID:
    """The id of a mail: the same whenever it is planned, and derived from nothing personal."""
    return uuid5(_MAILS, f"{case_id}/{kind}/{occasion}/{role}/{place}")


def resend_id(notice_id: UUID) -> UUID:
    """The id of the mail that an operator's wish makes owed."""
    return uuid5(_MAILS, f"resend/{notice_id}")


@dataclass(frozen=True, slots=True)
class Row:
    """One mail. `occasion` is what it is sent for; `place` counts addresses of one role from 1; `answer` as in `MailOutcome`.

    `copy` counts the times that an operator had it sent again, for a `reason`: `resends` is the mail that this one repeats. `superseded_by` is the mail
    that overtook it. `bounce` is the status of the report that brought it back (RFC 3463). `order` is what is to be sent: given with a new row only,
    and kept beside it until the case is erased.
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


class Wanted(StrEnum):
    """What a notice is about."""

    RESEND = "resend"
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is known of a mail from outside the topics: an operator wants it sent again and says why, or a report brought it back with a status.

    `address` is where an operator wants it sent instead.
    """

    id: UUID
    case_id: UUID
    mail_id: UUID
    wanted: Wanted
    text: str
    at: datetime
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of a case, in the order they were planned, and what is known of the case itself."""

    case_id: UUID
    rows: tuple[Row, ...] = ()
    standing: Standing = NOTHING

    def row(self, wanted: UUID) -> Row:
        """The row of a mail. Raises `LookupError` where the ledger has none."""
        for row in self.rows:
            if row.mail_id == wanted:
                return row
        raise LookupError(f"The mail ledger of this case has no mail {wanted}.")

    def with_planned(self, rows: tuple[Row, ...]) -> "Ledger":
        """The ledger with more rows at its end."""
        return replace(self, rows=self.rows + rows)

    def with_row(self, changed: Row) -> "Ledger":
        """The ledger with one row replaced."""
        return replace(self, rows=tuple(changed if row.mail_id == changed.mail_id else row for row in self.rows))

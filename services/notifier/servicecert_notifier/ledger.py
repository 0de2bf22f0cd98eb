"""The mail ledger of a case: one row for each mail that is owed, by which a mail is sent once (C3, I9). No row holds an address (E3)."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind

from .standing import NOTHING, Standing
from .task import MailState

_MAILS = UUID("6f0b1f0e-6c0e-5d52-9d1c-5f1f6d9f3a51")


def mail_id(case_id: UUID, kind: MailKind, occasion: str, role: RecipientRole, place: int) -> UUID:
    """The id of a mail: the same whenever it is planned, and derived from nothing personal."""
    return uuid5(_MAILS, f"{case_id}/{kind}/{occasion}/{role}/{place}")


@dataclass(frozen=True, slots=True)
class Row:
    """One mail. `occasion` is what it is sent for; `place` counts addresses of one role from 1; `answer` as in `MailOutcome`."""

    mail_id: UUID
    kind: MailKind
    occasion: str
    recipient: RecipientRole
    place: int
    planned_at: datetime
    state: MailState = MailState.PLANNED
    attempts: int = 0
    answer: str | None = None
    settled_at: datetime | None = None


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

    def with_settled(self, settled: Row) -> "Ledger":
        """The ledger with one row replaced."""
        return replace(self, rows=tuple(settled if row.mail_id == settled.mail_id else row for row in self.rows))

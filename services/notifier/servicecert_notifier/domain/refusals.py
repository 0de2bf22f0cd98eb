"""An address that a mail server refuses for good, or from which a mail came back, is told to somebody whose address works, so that it gets corrected (C3). Pure."""

from datetime import datetime, timedelta

from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.mail import MailKind
from servicecert_worker.decider import Intent

from ..mail.domain.contents import of_refusal
from .audience import addressed
from .ledger import Ledger, Row
from .planning import Occasion, planned
from .task import MailState

PATIENCE = timedelta(days=5)
_DEAD = (MailState.REFUSED, MailState.BOUNCED)
_FIRST_TOLD = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)


def told_of_refusal(ledger: Ledger, row: Row, now: datetime) -> tuple[Ledger, tuple[Intent, ...]]:
    """The ledger with a mail to somebody else about the address of a refused mail: once for each address of a case, and none about such a mail."""
    told = ledger.standing.correspondence
    if row.state not in _DEAD or row.kind is MailKind.ADDRESS_REFUSED or told is None:
        return ledger, ()
    other = _other(ledger, told.recipients)
    if other is None:
        return ledger, ()
    about = f"{row.recipient}/{row.place}"
    return planned(
        ledger, Occasion(of_refusal(row, ledger.standing), about, told.language, (other,), now, now + PATIENCE)
    )


def _other(ledger: Ledger, recipients: tuple[Recipient, ...]) -> Recipient | None:
    """Whom to tell: the orderer first, and nobody whose own address was refused."""
    dead = {(row.recipient, row.place) for row in ledger.rows if row.state in _DEAD}
    alive = [
        recipient
        for recipient, place in addressed(recipients, MailKind.ADDRESS_REFUSED)
        if (recipient.role, place) not in dead
    ]
    return min(alive, key=lambda recipient: _FIRST_TOLD.index(recipient.role), default=None)

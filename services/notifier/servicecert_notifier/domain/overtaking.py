"""Which mails are out of date once others are planned (C3): a deferred one is not tried any more then. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.mail import MailKind

from .ledger import Ledger, Row
from .task import REMINDERS, MailState

_TO_DO = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED, MailKind.APPLICATION_NEARS_LAPSE))
_OVERTAKES: Mapping[MailKind, frozenset[MailKind]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: _TO_DO,
        MailKind.APPLICATION_RETURNED: _TO_DO,
        MailKind.APPLICATION_NEARS_LAPSE: frozenset((MailKind.APPLICATION_NEARS_LAPSE,)),
        MailKind.APPLICATION_LAPSED: _TO_DO,
        MailKind.APPLICATION_REFUSED: _TO_DO,
        MailKind.CERTIFICATE_ISSUED: _TO_DO,
        **{kind: frozenset(REMINDERS[: place + 1]) for place, kind in enumerate(REMINDERS)},
        MailKind.CERTIFICATE_REVOKED: frozenset((*REMINDERS, MailKind.CERTIFICATE_REVOKED)),
    }
)
"""Which kinds of mail of the same case are out of date once a mail of a kind is planned: what was to be done is done or over, a reminder is older."""


def overtaken(ledger: Ledger, new: Sequence[Row]) -> Ledger:
    """The ledger whose deferred mails are superseded by the new ones that say what holds. What is planned is on its way, and is left alone."""
    for row in ledger.rows:
        newer = next((each for each in new if _overtakes(each, row)), None)
        if newer is not None:
            ledger = ledger.with_row(superseded(row, newer.mail_id, newer.planned_at))
    return ledger


def superseded(row: Row, by: UUID, at: datetime) -> Row:
    """A deferred mail that another one replaces. Its deadline comes and finds nothing to do."""
    return replace(row, state=MailState.SUPERSEDED, superseded_by=by, next_try_at=None, settled_at=at)


def _overtakes(new: Row, row: Row) -> bool:
    """Whether a deferred mail is out of date once a new one is planned. Topics may overtake one another, so it must tell of something earlier."""
    older = row.planned_at <= new.planned_at
    return older and row.state is MailState.DEFERRED and row.kind in _OVERTAKES.get(new.kind, ())

"""What a case owes to the topic of notifications: what became of its mails (C3). Pure."""

from collections.abc import Iterator

from servicecert_worker.core.owed import Owed

from .ledger import Ledger, event_of
from .task import MailState


def owed(ledger: Ledger) -> Iterator[Owed]:
    """Yield the outcomes of a case's mails, in the order of its ledger.

    A mail that ended without an attempt was superseded, or erased with its case (E3): nothing was published of it.
    """
    for row in ledger.rows:
        if row.settled_at is None or row.settled_at != row.tried_at or row.state is MailState.SUPERSEDED:
            continue
        first = MailState.HANDED_OVER if row.state is MailState.BOUNCED else row.state
        yield Owed(event_of(ledger.case_id, row, first, row.settled_at), row.settled_at)
        if row.bounced_at is not None:
            yield Owed(event_of(ledger.case_id, row, MailState.BOUNCED, row.bounced_at), row.bounced_at)

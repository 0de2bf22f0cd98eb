"""What happens to planned mails: settled, deferred and retried, sent again, bounced (C3, I9). Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.decider import Deadline, Decision, Due, Intent, Result

from .ledger import INTENT, RETRY, Ledger, Row, ended, is_over, resend_id, superseded
from .reminders import Prepared
from .task import OPEN, MailOutcome, MailState, MailTask, Notice, NoticeKind

NOTICE = "notices"
"""The kind of the deadline that handles a case's notices."""


def retry_delay(attempts: int) -> timedelta:
    """Return the delay after so many attempts: a second, then twice as long each time, at most a quarter of an hour."""
    return min(timedelta(minutes=15), timedelta(seconds=1 << min(attempts - 1, 10)))


def settled(state: Ledger | None, result: Result, now: datetime) -> Decision[Ledger]:
    """Record a mail's outcome. The first final one counts. Raise `LookupError` if the ledger has no such mail."""
    outcome = result.data
    if not isinstance(outcome, MailOutcome) or state is None:
        raise LookupError(f"The result {result.id} belongs to no mail of this case.")
    row = state.row(outcome.mail_id)
    late = row.state is MailState.SUPERSEDED and outcome.state is MailState.HANDED_OVER
    if row.state not in OPEN and not late:
        return Decision(state)
    until = outcome.give_up_at or row.give_up_at
    tried = replace(
        row,
        state=outcome.state,
        attempts=outcome.attempts,
        answer=outcome.answer,
        relay=outcome.relay,
        refused_since=outcome.refused_since,
        give_up_at=until,
        first_tried_at=row.first_tried_at or outcome.at,
        tried_at=outcome.at,
        next_try_at=None,
    )
    if outcome.state is MailState.DEFERRED:
        at = now + retry_delay(outcome.attempts)
        # The last try is made when the time is over.
        at = at if until is None or until <= now else min(at, until)
        deferred = replace(tried, next_try_at=at)
        return Decision(state.with_row(deferred), deadlines=(Deadline(f"{RETRY}{row.mail_id}", at),))
    return ended(state, replace(tried, settled_at=outcome.at), outcome.at)


def woken(state: Ledger | None, due: Due, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Retry a deferred mail or handle the case's notices. Any other deadline changes nothing."""
    if state is not None and due.kind == NOTICE:
        return _handle_notices(state, prepared, now)
    if state is None or not due.kind.startswith(RETRY):
        return Decision(state)
    row = state.row(UUID(due.kind.removeprefix(RETRY)))
    if row.state is not MailState.DEFERRED:
        return Decision(state)
    if is_over(state, row):
        return Decision(state.with_row(superseded(row, row.mail_id, now)))
    order = prepared.orders[row.mail_id]
    tried = {"attempts": row.attempts, "refused_since": row.refused_since}
    again = order.model_copy(update={**tried, "give_up_at": row.give_up_at or order.give_up_at})
    return Decision(state, intents=(Intent(INTENT, again),))


def _handle_notices(state: Ledger, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Handle the case's notices. A request was handled if its mail exists, a bounce if the row has bounced.

    A bounce of a mail that was never handed over is ignored.
    """
    decision: Decision[Ledger] = Decision(state)
    for notice in prepared.notices.get(str(state.case_id), ()):
        ledger = decision.state or state
        row = next((row for row in ledger.rows if row.mail_id == notice.mail_id), None)
        if row is not None and notice.kind is NoticeKind.RESEND:
            more = _resend(ledger, row, notice, prepared.orders.get(row.mail_id), now)
        elif row is not None and row.state is MailState.HANDED_OVER:
            bounced = replace(row, state=MailState.BOUNCED, bounce=notice.text, bounced_at=notice.at)
            more = ended(ledger, bounced, notice.at)
        else:
            continue
        decision = Decision(more.state, decision.events + more.events, decision.intents + more.intents)
    return decision


def _resend(ledger: Ledger, old: Row, notice: Notice, order: MailTask | None, now: datetime) -> Decision[Ledger]:
    """Add a row that repeats a mail and is tried for as long as the first. A planned mail is not repeated.

    Another address is the recipient's from then on.
    """
    identity = resend_id(notice.id)
    if order is None or old.state is MailState.PLANNED or any(row.mail_id == identity for row in ledger.rows):
        return Decision(ledger)
    if old.state is MailState.DEFERRED:
        ledger = ledger.with_row(superseded(old, identity, now))
    facts = ledger.facts if notice.address is None else ledger.facts.correcting(order.recipient.email, notice.address)
    copies = (row.copy for row in ledger.rows if _same_mail(row) == _same_mail(old))
    again = order.model_copy(
        update={
            "mail_id": identity,
            "recipient": order.recipient.model_copy(update={} if notice.address is None else {"email": notice.address}),
            "date": notice.at,
            "give_up_at": now + max(order.give_up_at - order.date, timedelta()),
            "attempts": 0,
        }
    )
    new = replace(Row.of(again, old.occasion, old.place), copy=1 + max(copies), resends=old.mail_id, reason=notice.text)
    return Decision(replace(ledger, rows=(*ledger.rows, new), facts=facts), intents=(Intent(INTENT, again),))


def _same_mail(row: Row) -> tuple[MailKind, str, RecipientRole, int]:
    return row.kind, row.occasion, row.recipient, row.place

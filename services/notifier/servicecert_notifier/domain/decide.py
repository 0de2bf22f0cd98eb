"""The notifier's decisions: which mails are due, each sent once (C1, C3, C4, D5). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import (
    Deadline,
    Decision,
    Due,
    Event,
    Handlers,
    Happened,
    Result,
    Unanswerable,
    Untrusted,
    unchanged,
)

from .case_facts import with_event
from .contents import mailing_of
from .ledger import Ledger, planned
from .reminders import REMIND, Prepared, remind, wake_at
from .settling import settled, woken
from .task import Letterhead, MailTask


def decide(state: Ledger | None, happened: Happened, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Plan the mails that an event causes, record a mail's result, send a reminder. Anything else changes nothing.

    Raise `Unanswerable` for a certificate that must not be mailed (F2).
    """
    match happened:
        case Event(facts=Untrusted(code, text)):
            raise Unanswerable(code, text)
        case Event():
            return HANDLERS.get(type(happened.data), unchanged)(state, happened, now)
        case Result():
            return settled(state, happened, now)
        case Due(kind=kind) if kind == REMIND and state is not None:
            return remind(state, prepared, now)
        case _:
            return woken(state, happened, prepared, now)


@dataclass(frozen=True)
class Decide:
    """Decides as `decide` does, with who signs each new mail: it has the same bytes whenever it is sent."""

    letterheads: Mapping[Language, Letterhead]

    def __call__(self, state: Ledger | None, happened: Happened, prepared: Prepared, now: datetime) -> Decision[Ledger]:
        decision = decide(state, happened, prepared, now)
        ledger = decision.state
        if ledger is None or not any(row.order and row.order.letterhead is None for row in ledger.rows):
            return decision
        rows = tuple(replace(row, order=row.order and self._signed(row.order)) for row in ledger.rows)
        intents = tuple(
            replace(each, data=self._signed(each.data)) if isinstance(each.data, MailTask) else each
            for each in decision.intents
        )
        return replace(decision, state=replace(ledger, rows=rows), intents=intents)

    def _signed(self, mail: MailTask) -> MailTask:
        head = mail.letterhead or self.letterheads[mail.language]
        return mail.model_copy(update={"letterhead": head})


_MAILED = frozenset({CaseState.WAITING_FOR_CSR, CaseState.RETURNED, CaseState.LAPSED, CaseState.REFUSED})
"""The states that mails tell of. A case that has never been in one leaves nothing here to correct."""


def concerns(data: CertificateIssued | CertificateRevoked | CaseChanged | DeadlineWarned) -> bool:
    """Return whether an event can cause a mail, now or later."""
    match data:
        case DeadlineWarned():
            return data.kind is DeadlineKind.COMPLETION and data.mark is not DeadlineMark.PASSED
        case CaseChanged() if data.state is not CaseState.SUBMITTED:
            return data.certificate is not None or any(entry.state in _MAILED for entry in data.history)
        case CaseChanged():
            return False
        case _:
            return True


def _apply_event(state: Ledger | None, event: Event, now: datetime) -> Decision[Ledger]:
    """Add an event's facts to its case, and plan the mails that it causes."""
    data = event.data
    assert isinstance(data, CertificateIssued | CertificateRevoked | CaseChanged | DeadlineWarned)
    before = state or Ledger(data.case_id)
    facts = with_event(before.facts, data, now)
    is_new = facts is not before.facts
    informed = replace(before, facts=facts) if is_new else before
    mailing = mailing_of(event, now)
    if mailing is not None and is_new and isinstance(data, CaseChanged):
        # Who is reached only by an address that was corrected since has not had the mail of this state.
        mailing = replace(mailing, former=before.facts.recipients, version=data.version)
    decision = Decision(informed) if mailing is None else planned(informed, mailing)
    after = decision.state or informed
    if after is before:
        return Decision(state)
    at = wake_at(after, now) if is_new else None
    if at == (wake_at(before, now) if is_new else None):
        return decision
    return replace(decision, deadlines=(*decision.deadlines, Deadline(REMIND, at)))


HANDLERS: Handlers = dict.fromkeys((CertificateIssued, CertificateRevoked, CaseChanged, DeadlineWarned), _apply_event)

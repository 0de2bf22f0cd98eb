"""What the notifier decides: which mails are owed, and that each is sent once (C1, C3, C4, D5). Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_worker.decider import Deadline, Decision, Due, Event, Happened, Result

from . import contents, reminders
from .case_facts import learned
from .ledger import Ledger
from .planning import PATIENCE, Occasion, planned
from .reminders import REMIND, Prepared
from .settling import settled, woken

LATE_PATIENCE = timedelta(days=1)
"""How long a certificate is tried at least, also where its delivery is due sooner or overdue."""


def decide(state: Ledger | None, happened: Happened, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Plans the mails that an event makes owed, records what became of one, reminds in time. All else changes nothing."""
    match happened:
        case Event():
            return _hear(state, happened, now)
        case Result():
            return settled(state, happened, now)
        case Due(kind=kind) if kind == REMIND and state is not None:
            return _remind(state, prepared, now)
        case _:
            return woken(state, happened, prepared, now)


def is_relevant(data: EventData) -> bool:
    """Whether a mail can follow from an event, now or later."""
    match data:
        case CertificateIssued() | CertificateRevoked():
            return True
        case DeadlineWarned():
            return data.kind is DeadlineKind.COMPLETION and data.mark is not DeadlineMark.PASSED
        case CaseChanged():
            return data.state is not CaseState.SUBMITTED
        case _:
            return False


def _hear(state: Ledger | None, event: Event, now: datetime) -> Decision[Ledger]:
    """Learns what an event says of its case, and plans the mails that it makes owed."""
    data = event.data
    if not isinstance(data, CertificateIssued | CertificateRevoked | CaseChanged | DeadlineWarned):
        return Decision(state)
    before = state or Ledger(data.case_id)
    standing = learned(before.standing, data)
    knowing = before if standing is before.standing else replace(before, standing=standing)
    occasion = _occasion(event, now)
    after, intents = (knowing, ()) if occasion is None else planned(knowing, occasion)
    if after is before:
        return Decision(state)
    moved = reminders.wake(after, now) if standing is not before.standing else None
    woken = reminders.wake(before, now) if standing is not before.standing else None
    return Decision(after, intents=intents, deadlines=() if moved == woken else (Deadline(REMIND, moved),))


def _occasion(event: Event, now: datetime) -> Occasion | None:
    """The mails that an event makes owed."""
    match event.data:
        case CertificateIssued() as issued:
            give_up_at = max(issued.due, now + LATE_PATIENCE)
            content = contents.of_issued(issued)
            return Occasion(content, issued.serial, issued.language, issued.recipients, event.time, give_up_at)
        case CertificateRevoked() as revoked:
            content, about = contents.of_revoked(revoked), str(revoked.request_id)
            return Occasion(content, about, revoked.language, revoked.recipients, event.time, now + PATIENCE)
        case CaseChanged() as case if (told := contents.of_view(case)) is not None:
            about = contents.occasion_of(case)
            return Occasion(told, about, case.language, case.recipients, event.time, now + PATIENCE)
        case _:
            return None


def _remind(ledger: Ledger, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Looks whether a reminder is owed, and sends it when the limits let it go. Where the limits hold it back, it is looked at again then."""
    key = str(ledger.case_id)
    reminder = reminders.owed(ledger, prepared.others.get(key, ()), now)
    told = ledger.standing.correspondence
    if reminder is None or told is None:
        return _reminded(ledger, now)
    slot = ledger.standing.slot or prepared.slots.get(key, now)
    if slot > now + reminders.SOON:
        held = replace(ledger, standing=replace(ledger.standing, slot=slot))
        return Decision(held, deadlines=(Deadline(REMIND, slot),))
    content, about = contents.of_reminder(reminder, told, now)
    after, intents = planned(ledger, Occasion(content, about, told.language, told.recipients, now, now + PATIENCE))
    return replace(_reminded(after, now), intents=intents)


def _reminded(ledger: Ledger, now: datetime) -> Decision[Ledger]:
    """The case after a look: the warning is told or overtaken, the moment given is used."""
    standing = ledger.standing
    if standing.warned is not None or standing.slot is not None:
        ledger = replace(ledger, standing=replace(standing, warned=None, slot=None))
    moment = reminders.next_wake(ledger, now)
    return Decision(ledger, deadlines=() if moment is None else (Deadline(REMIND, moment),))

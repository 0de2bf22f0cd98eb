"""Which reminder is due, and when to check again (C4, E2). Pure.

Reminders follow from certificates and from the mails sent before, never from a timer in memory: a check that comes late
sends the most urgent reminder only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from types import MappingProxyType
from uuid import UUID

from servicecert_pki.validity import day_of, in_helsinki
from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.decider import Deadline, Decision

from .case_facts import Application, CaseFacts, Certificate, Correspondence, LapseWarning
from .ledger import RETRY_PERIOD, Ledger, Mailing, planned
from .task import REMINDERS, ExpiringContent, MailTask, NearsLapseContent, Notice

REMIND = "remind"
"""The kind of the deadline at which a case is checked for a reminder."""

DAYS: Mapping[MailKind, int] = MappingProxyType(dict(zip(REMINDERS, (60, 30, 7), strict=True)))
"""How many days before a certificate's end each reminder is sent, the least urgent first (C4)."""

SOON = timedelta(seconds=5)
"""A reminder whose slot is at most this far ahead is sent at once."""

MORNING = time(9)
"""When reminders are sent, in Finnish time, so that somebody is at work to read them."""

RENEWED_WITHIN = timedelta(days=90)
"""How long before a certificate's end another one of the same name counts as its successor."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the tables hold for a turn, by case: others of its account, slots of reminders, notices.

    `orders` are the tasks, by mail, of the mails to retry or to send again.
    """

    others: Mapping[str, Sequence[CaseFacts]] = field(default_factory=lambda: MappingProxyType({}))
    slots: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=lambda: MappingProxyType({}))
    orders: Mapping[UUID, MailTask] = field(default_factory=lambda: MappingProxyType({}))


NOTHING_PREPARED = Prepared()


def remind(ledger: Ledger, prepared: Prepared, now: datetime) -> Decision[Ledger]:
    """Send the reminder that is due, if the rate limits allow it now. Otherwise set a deadline for when they do."""
    key = str(ledger.case_id)
    reminder = due_reminder(ledger, prepared.others.get(key, ()), now)
    if reminder is None:
        return _after_reminder(ledger, now)
    slot = ledger.facts.slot or prepared.slots.get(key, now)
    if slot > now + SOON:
        held = replace(ledger, facts=replace(ledger.facts, slot=slot))
        return Decision(held, deadlines=(Deadline(REMIND, slot),))
    sent = planned(ledger, reminder)
    return replace(_after_reminder(sent.state or ledger, now), intents=sent.intents)


def _after_reminder(ledger: Ledger, now: datetime) -> Decision[Ledger]:
    """Clear the warning and the slot, which are used or outdated, and set the deadline of the next reminder."""
    facts = ledger.facts
    if facts.warned is not None or facts.slot is not None:
        ledger = replace(ledger, facts=replace(facts, warned=None, slot=None))
    wake_at = next_wake_at(ledger, now)
    return Decision(ledger, deadlines=() if wake_at is None else (Deadline(REMIND, wake_at),))


def due_reminder(ledger: Ledger, others: Iterable[CaseFacts], now: datetime) -> Mailing | None:
    """Return the reminder that is due now. `others` are cases whose certificates may have replaced this one."""
    facts = ledger.facts
    to, certificate = facts.correspondence, facts.certificate
    if to is None:
        return None
    if facts.warned is not None:
        return _lapse(to, facts.application, facts.warned, now)
    if certificate is None or facts.revoked or now >= certificate.not_after:
        return None
    kind = next((kind for kind, at in reversed(_schedule(certificate)) if at <= now), None)
    if kind is None or any((row.kind, row.occasion) == (kind, certificate.serial) for row in ledger.rows):
        return None
    if any(_succeeds(other, to, certificate) for other in others):
        return None
    content = ExpiringContent(
        kind=kind,
        type=to.type,
        serial=certificate.serial,
        serial_decimal=certificate.serial_decimal,
        subject=certificate.subject,
        not_after=certificate.not_after,
        days_left=(day_of(certificate.not_after) - day_of(now)).days,
    )
    return Mailing(content, certificate.serial, to.language, to.recipients, now, now + RETRY_PERIOD)


def wake_at(ledger: Ledger, now: datetime) -> datetime | None:
    """Return when to check after new facts: at the slot, now if a reminder is due, else `next_wake_at`."""
    if ledger.facts.slot is not None:
        return ledger.facts.slot
    return now if due_reminder(ledger, (), now) is not None else next_wake_at(ledger, now)


def next_wake_at(ledger: Ledger, now: datetime) -> datetime | None:
    """Return when to check after a check: at the certificate's next reminder."""
    certificate = ledger.facts.certificate
    if certificate is None or ledger.facts.revoked:
        return None
    return next((at for _, at in _schedule(certificate) if at > now), None)


def _succeeds(other: CaseFacts, to: Correspondence, certificate: Certificate) -> bool:
    """Return whether the certificate of another case replaces this one.

    It is valid, of the same type, begins before this one ends and ends later. Its application names this one (A14), or
    it names none, has the same subject and begins in the last 90 days of this one. So several servers of one name each
    get their reminders, if the renewals name what they follow.
    """
    new = other.certificate
    if new is None or other.revoked or not new.not_before <= certificate.not_after < new.not_after:
        return False
    has_its_name = new.subject == certificate.subject and new.not_before >= certificate.not_after - RENEWED_WITHIN
    is_renewal = has_its_name if other.follows is None else other.follows == certificate.serial
    return is_renewal and other.correspondence is not None and other.correspondence.type is to.type


def _lapse(to: Correspondence, application: Application | None, warned: LapseWarning, now: datetime) -> Mailing | None:
    """Return the reminder for a warning. After nine tenths of the time, the warning at half is outdated."""
    too_late = warned.since + (warned.until - warned.since) * 9 / 10
    if application is None or now >= (too_late if warned.mark is DeadlineMark.HALF else warned.until):
        return None
    content = NearsLapseContent(
        type=to.type,
        applied_for=application.name,
        customer_reference=application.reference,
        waits_for_csr=application.waits_for_csr,
        lacking=application.lacking,
        since=warned.since,
        lapses=warned.until,
    )
    return Mailing(content, str(warned.mark), to.language, to.recipients, now, now + RETRY_PERIOD)


def _schedule(certificate: Certificate) -> list[tuple[MailKind, datetime]]:
    """Return a certificate's reminders with their times, in order. None comes in the first half of its validity."""
    last = day_of(certificate.not_after)
    half = certificate.not_before + (certificate.not_after - certificate.not_before) / 2
    times = [(kind, in_helsinki(last - timedelta(days=days), MORNING)) for kind, days in DAYS.items()]
    return [(kind, at) for kind, at in times if at >= half]

"""Which reminder is owed, and when to look again (C4, E2). Pure.

Reminders follow from certificates and from what was sent before, never from a timer in memory: whoever wakes, however late, finds the one that is most
urgent, and those that it overtook are not sent any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import CertificateType

from ..mail.domain.wording import HELSINKI
from .case_facts import Application, Certificate, Standing, Warned
from .ledger import Ledger, Notice
from .task import MailTask

REMIND = "remind"
"""The kind of the deadline at which a case is looked at for a reminder."""

DAYS: Mapping[MailKind, int] = MappingProxyType(
    {MailKind.EXPIRES_IN_60_DAYS: 60, MailKind.EXPIRES_IN_30_DAYS: 30, MailKind.EXPIRES_IN_7_DAYS: 7}
)
"""How many days before a certificate's end each reminder is sent, the least urgent first (C4)."""

SOON = timedelta(seconds=5)
"""How far ahead a moment may lie that is not worth waiting for."""

MORNING = time(9)
"""When reminders go out, in Finland: somebody is at work to read them."""

RENEWED_WITHIN = timedelta(days=90)
"""How long before a certificate's end another one of the same name counts as its successor."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another certificate of the same account. `follows` is the serial number that its application names (A14)."""

    type: CertificateType
    subject: str
    follows: str | None
    revoked: bool
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the tables say for a turn, by case: the other certificates of its account, the moment that the limits give its reminder, and the notices.

    `orders` is what is to be sent, by mail, of those that are tried or sent again.
    """

    others: Mapping[str, Sequence[Other]] = field(default_factory=lambda: MappingProxyType({}))
    slots: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=lambda: MappingProxyType({}))
    orders: Mapping[UUID, MailTask] = field(default_factory=lambda: MappingProxyType({}))


NOTHING_PREPARED = Prepared()


@dataclass(frozen=True, slots=True)
class Expiry:
    """A certificate's end is to be told."""

    kind: MailKind
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Lapse:
    """An application's coming end is to be told."""

    warned: Warned
    application: Application


Owed = Expiry | Lapse


def kind_of(reminder: Owed) -> MailKind:
    """The kind of mail that tells it."""
    return reminder.kind if isinstance(reminder, Expiry) else MailKind.APPLICATION_NEARS_LAPSE


def other_of(standing: Standing) -> Other | None:
    """A case's certificate as another case sees it."""
    told, certificate = standing.correspondence, standing.certificate
    if told is None or certificate is None:
        return None
    return Other(
        told.type,
        certificate.subject,
        standing.follows,
        standing.revoked,
        certificate.not_before,
        certificate.not_after,
    )


def owed(ledger: Ledger, others: Iterable[Other], now: datetime) -> Owed | None:
    """The reminder that is owed now. `others` are the certificates that may have taken the place of this one."""
    standing = ledger.standing
    if standing.correspondence is None:
        return None
    if standing.warned is not None:
        return _lapse(standing, standing.warned, now)
    certificate = standing.certificate
    if certificate is None or standing.revoked or now >= certificate.not_after:
        return None
    kind = next((kind for kind, at in reversed(_marks(certificate)) if at <= now), None)
    if kind is None or kind in _told(ledger, certificate) or has_successor(standing, certificate, others):
        return None
    return Expiry(kind, certificate)


def wake(ledger: Ledger, now: datetime) -> datetime | None:
    """When to look for a reminder after something new is known: at the moment that the limits gave, at once for what is owed, else as `next_wake`."""
    standing = ledger.standing
    if standing.slot is not None:
        return standing.slot
    return now if owed(ledger, (), now) is not None else next_wake(ledger, now)


def next_wake(ledger: Ledger, now: datetime) -> datetime | None:
    """When to look again after a look: at the certificate's next reminder."""
    standing = ledger.standing
    if standing.correspondence is None or standing.certificate is None or standing.revoked:
        return None
    return next((at for _, at in _marks(standing.certificate) if at > now), None)


def has_successor(standing: Standing, certificate: Certificate, others: Iterable[Other]) -> bool:
    """Whether another certificate has taken this one's place: valid, of the same type, ending later, and its application either

    names this one (A14), or names none and the subject is the same and it begins in the last 90 days of this one. So who has several servers of one
    name is reminded of each, as long as the renewals name what they follow.
    """
    wanted = standing.correspondence.type if standing.correspondence else None
    return any(
        other.follows == certificate.serial
        or (
            other.follows is None
            and other.subject == certificate.subject
            and other.not_before >= certificate.not_after - RENEWED_WITHIN
        )
        for other in others
        if other.type is wanted and not other.revoked and other.not_after > certificate.not_after
    )


def day_of(moment: datetime) -> date:
    """The day on which a moment falls in Finland."""
    return moment.astimezone(HELSINKI).date()


def _lapse(standing: Standing, warned: Warned, now: datetime) -> Lapse | None:
    """The warning that is not told yet. Half of the time is not told once nine tenths are gone: that warning follows."""
    overtaken = warned.since + (warned.until - warned.since) * 9 / 10
    if standing.application is None or now >= (overtaken if warned.mark is DeadlineMark.HALF else warned.until):
        return None
    return Lapse(warned, standing.application)


def _marks(certificate: Certificate) -> list[tuple[MailKind, datetime]]:
    """The reminders of a certificate and their moments, in order. Who got it only just before needs none: at least half of its time is over."""
    last = day_of(certificate.not_after)
    half = certificate.not_before + (certificate.not_after - certificate.not_before) / 2
    marks = [(kind, datetime.combine(last - timedelta(days=days), MORNING, HELSINKI)) for kind, days in DAYS.items()]
    return [(kind, at) for kind, at in marks if at >= half]


def _told(ledger: Ledger, certificate: Certificate) -> set[MailKind]:
    """The reminders that were planned for this certificate."""
    return {row.kind for row in ledger.rows if row.kind in DAYS and row.occasion == certificate.serial}

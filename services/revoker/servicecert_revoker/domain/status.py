"""The status of a case's certificate: awaited, valid, registered, listed, revoked. It never goes back (D3). Pure.

And what follows from a status: the events about the certificate (D5, D8) and its clocks (D4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, TypeAlias
from uuid import UUID

from pydantic import BaseModel
from servicecert_schemas.certificate import Recipient, RecipientRole, Recipients
from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import EventData
from servicecert_schemas.mailboxes import mailbox
from servicecert_schemas.revocation import (
    CertificateRevoked,
    RevocationReason,
    RevocationRequested,
    Standing,
    StandingChanged,
)
from servicecert_schemas.values import Language, Value
from servicecert_worker.core.decider import Deadline, Intent
from servicecert_worker.core.time_limits import Clock, marks_after

from .certificates import Certificate, Void

TAKES_EFFECT_WITHIN = timedelta(hours=24)
"""The time from sending a request to a published CRL (D4), and how long a request waits for its certificate."""

CLOCK = "revocation-clock"
"""The deadline at which the clock of the first request is checked next."""

CHANGE_CLOCK = "change-clock"
"""The deadline at which the clock of a request that changed the entry is checked next."""

ALARM = "alarm"
"""The act that logs an alarm about a late revocation or confirmation."""

_MOST_RECIPIENTS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for revocation: `at` is its event's time, `since` the time when it was read."""

    request: RevocationRequested
    at: datetime
    since: datetime

    @property
    def requester(self) -> Recipient | None:
        """Who wants the mail about it (D5), None for a wrong address."""
        notify = self.request.notify
        if notify is None or (address := mailbox(notify.email)) is None:
            return None
        language = next((each for each in Language if each == notify.language), None)
        return Recipient(role=RecipientRole.REQUESTER, email=address, language=language)


@dataclass(frozen=True, slots=True)
class Revocation:
    """A granted request, as CRLs list it. `request_id` is the request that gave the reason and the date.

    The other times are the first request's: they never change (D3). `changed_at` is when a request was sent that
    changed reason or date, and `changes` how often that happened.
    """

    request_id: UUID
    reason: RevocationReason
    requested_at: datetime
    due: datetime
    revoked_at: datetime
    invalid_since: datetime | None = None
    changed_at: datetime | None = None
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """The published CRL of which the recipients were notified, and the first so many requesters with them.

    A later requester is notified alone. Earlier versions stored no number.
    """

    crl_number: int
    crl_url: str
    published_at: datetime
    requesters: int = 0


@dataclass(frozen=True, slots=True)
class Awaited:
    """Requests that were read before the certificate: two topics have no common order."""

    pending: tuple[Asked, ...]

    @property
    def issued(self) -> None:
        """The issued certificate, if it is known."""


@dataclass(frozen=True, slots=True)
class Valid:
    """No request for its revocation was granted. `pending`, here and below, are requests: see `requests`."""

    certificate: Certificate
    pending: tuple[Asked, ...] = ()

    @property
    def issued(self) -> Certificate:
        return self.certificate


@dataclass(frozen=True, slots=True)
class Entered:
    """A revocation with a stored entry: it is final (D3).

    `requesters` asked for it and gave an address: they get the mail beside the recipients (D5).
    """

    certificate: Certificate | Void
    revocation: Revocation
    pending: tuple[Asked, ...] = ()
    requesters: Recipients = ()

    @property
    def is_open(self) -> bool:
        """Whether relying parties cannot see the entry yet."""
        return True

    @property
    def issued(self) -> Certificate | None:
        """The issued certificate: a void one counts as none."""
        return self.certificate if isinstance(self.certificate, Certificate) else None

    @property
    def clocks(self) -> Mapping[str, Clock]:
        """The running clocks by their deadlines: none where relying parties can see the entry."""
        clocks = dict[str, Clock]()
        entry = self.revocation
        if self.is_open and not isinstance(self, Revoked):
            clocks[CLOCK] = Clock(DeadlineKind.REVOCATION, entry.requested_at, entry.due)
        if self.is_open and entry.changed_at is not None:
            until = entry.changed_at + TAKES_EFFECT_WITHIN
            clocks[CHANGE_CLOCK] = Clock(DeadlineKind.REVOCATION, entry.changed_at, until)
        return clocks

    def standing(self) -> StandingChanged:
        """Return the event that lets OCSP say revoked."""
        return standing(self.certificate, self.revocation)

    def recipients(self, requesters: Recipients) -> Recipients:
        """Return who gets the mail about the entry: the certificate's recipients, then others who asked (D5).

        Each address is in it once; of a requester in that one's own language. There is none for a void one.
        """
        own = () if self.issued is None else self.issued.recipients
        asked = {each.identity: each.language for each in requesters}
        known = {each.identity for each in own}
        recipients = (each.model_copy(update={"language": asked.get(each.identity, each.language)}) for each in own)
        others = (each for each in requesters if each.identity not in known)
        return (*recipients, *others)[:_MOST_RECIPIENTS]


@dataclass(frozen=True, slots=True)
class Registered(Entered):
    """No published CRL lists it yet."""


@dataclass(frozen=True, slots=True)
class Listed(Entered):
    """A published CRL lists it. The OCSP responder has not confirmed it yet."""


@dataclass(frozen=True, slots=True)
class Revoked(Entered):
    """A published CRL lists it and OCSP says revoked. The recipients are notified of it, by `listing`.

    `changed`: a later request changed the entry (D3). Relying parties cannot see the new one yet, nobody is notified of
    it, and `requesters` are those of the new one. Earlier versions stored no listing.
    """

    listing: Listing | None = None
    changed: bool = False

    @property
    def is_open(self) -> bool:
        return self.changed

    def notice(self, case_id: UUID, request_id: UUID, to: Recipients | None = None) -> CertificateRevoked:
        """Return the event that causes the mail to `to`, or to all recipients, because of a request."""
        certificate, entry, listing = self.issued, self.revocation, self.listing
        assert certificate is not None
        assert listing is not None
        return CertificateRevoked(
            case_id=case_id,
            request_id=request_id,
            issuer=certificate.issuer,
            serial=certificate.serial,
            serial_decimal=str(int(certificate.serial, 16)),
            subject=certificate.subject,
            reason=entry.reason,
            requested_at=entry.changed_at or entry.requested_at,
            revoked_at=entry.revoked_at,
            invalid_since=entry.invalid_since,
            crl_number=listing.crl_number,
            crl_url=listing.crl_url,
            published_at=listing.published_at,
            language=certificate.language,
            recipients=self.recipients(self.requesters) if to is None else to,
        )


Numbered: TypeAlias = Valid | Entered
"""A status with a serial number, a certificate's or a void one. It never changes."""

Status: TypeAlias = Awaited | Numbered


def pending_of(status: Status | None) -> tuple[Asked, ...]:
    return () if status is None else status.pending


def standing(certificate: Certificate | Void, entry: Revocation | None = None) -> StandingChanged:
    """Return the event that lets OCSP say good, or revoked by a listed entry."""
    return StandingChanged(
        issuer=certificate.issuer,
        serial=certificate.serial,
        standing=Standing.VALID if entry is None else Standing.REVOKED,
        reason=entry and entry.reason,
        revoked_at=entry and entry.revoked_at,
        invalid_since=entry and entry.invalid_since,
        not_after=certificate.not_after,
    )


class Late(Value):
    """A revocation that relying parties cannot see after 24 hours, or a confirmation that is not done (D6)."""

    AUDITED: ClassVar[tuple[str, ...]] = ("due",)

    due: datetime


class Alarmed(BaseModel):
    """The alarm was logged."""


def check_marks(
    clock: Clock, kind: str, case_id: UUID, now: datetime, proposal_id: UUID | None = None
) -> tuple[tuple[EventData, ...], tuple[Intent, ...], tuple[Deadline, ...]]:
    """Return what follows: a warning of the last mark that has passed, an alarm after the end, and the next mark."""
    mark = clock.reached(now)
    left = marks_after(mark)
    again = (Deadline(kind, clock.wakes(left[0])),) if left else ()
    if mark is None:
        return (), (), again
    warning = clock.warning(case_id, mark).model_copy(update={"proposal_id": proposal_id})
    return (warning,), () if left else (Intent(ALARM, Late(due=clock.until)),), again

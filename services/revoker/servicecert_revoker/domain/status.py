"""The status of a case's certificate: awaited, valid, registered, listed, revoked. It never goes back (D3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from servicecert_schemas.certificate import Recipients
from servicecert_schemas.revocation import RevocationReason, RevocationRequested

from .certificates import Certificate, Void

TAKES_EFFECT_WITHIN = timedelta(hours=24)
"""The time from sending a request to a published CRL (D4), and how long a request waits for its certificate."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for revocation: `at` is its event's time, `since` the time when it was read."""

    request: RevocationRequested
    at: datetime
    since: datetime


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


@dataclass(frozen=True, slots=True)
class Valid:
    """No request for its revocation was granted. `pending`, here and below, are requests: see `requests`."""

    certificate: Certificate
    pending: tuple[Asked, ...] = ()


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


Numbered: TypeAlias = Valid | Entered
"""A status with a serial number, a certificate's or a void one. It never changes."""

Status: TypeAlias = Awaited | Numbered


def certificate_of(status: Status | None) -> Certificate | None:
    """Return the issued certificate, if it is known. A void one counts as none."""
    certificate = status.certificate if isinstance(status, Numbered) else None
    return certificate if isinstance(certificate, Certificate) else None


def pending_of(status: Status | None) -> tuple[Asked, ...]:
    """Return the pending requests, in their order."""
    return () if status is None else status.pending

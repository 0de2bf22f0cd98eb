"""The events about a certificate: its standing, its revocation, and who gets the mail about it (D3, D5, D8). Pure."""

from uuid import UUID

from servicecert_schemas.certificate import Recipients
from servicecert_schemas.event import EventData
from servicecert_schemas.mailboxes import identity
from servicecert_schemas.revocation import (
    CertificateRevoked,
    RevocationRegistered,
    RevocationRequested,
    Standing,
    StandingChanged,
)

from .certificates import Certificate, Void
from .status import TAKES_EFFECT_WITHIN, Entered, Listing, Revocation, Revoked

_MOST_RECIPIENTS = 10


def notified(certificate: Certificate, requesters: Recipients) -> Recipients:
    """Return who gets the mail about an entry: the certificate's recipients, then the others who asked (D5).

    Each address is in it once; of a requester in that one's own language.
    """
    asked = {identity(each.email): each.language for each in requesters}
    known = {identity(each.email) for each in certificate.recipients}
    recipients = (
        each.model_copy(update={"language": asked.get(identity(each.email), each.language)})
        for each in certificate.recipients
    )
    others = (each for each in requesters if identity(each.email) not in known)
    return (*recipients, *others)[:_MOST_RECIPIENTS]


def revoked(
    case_id: UUID, request_id: UUID, entry: Revocation, certificate: Certificate, listing: Listing, to: Recipients
) -> CertificateRevoked:
    """Return the event that causes the mail to `to`, because of a request."""
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
        recipients=to,
    )


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


def registration(request: RevocationRequested, certificate: Certificate, entry: Revocation) -> RevocationRegistered:
    """Return the answer to a granted request: the result that it gave or found."""
    requested_at = entry.changed_at or entry.requested_at
    return RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=certificate.serial,
        reason=entry.reason,
        requested_at=requested_at,
        due=requested_at + TAKES_EFFECT_WITHIN,
    )


def repetition(
    request: RevocationRequested, certificate: Certificate, status: Entered, before: Recipients
) -> tuple[EventData, ...]:
    """Return the answer with the first result, and the mail to an address that is not among the requesters of `before`.

    It gets that only if relying parties see the entry already; else it gets the mail with the others.
    """
    answered = registration(request, certificate, status.revocation)
    known, to = (notified(certificate, each) for each in (before, status.requesters))
    if not isinstance(status, Revoked) or status.is_open or status.listing is None or len(to) == len(known):
        return (answered,)
    new = to[len(known) :]
    mailed = revoked(request.case_id, request.request_id, status.revocation, certificate, status.listing, new)
    return (answered, mailed)

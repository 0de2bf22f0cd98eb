"""The events about a request and its revocation, and who gets the mail about it (D3, D5, D8). Pure."""

from collections.abc import Iterator
from uuid import UUID

from servicecert_schemas.certificate import Recipient, RecipientRole, Recipients
from servicecert_schemas.mailboxes import identity, mailbox
from servicecert_schemas.revocation import (
    CertificateRevoked,
    CrlPublished,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    Standing,
    StandingChanged,
    StandingsCounted,
)
from servicecert_schemas.values import Language

from .crl_orders import Published
from .requests import TAKES_EFFECT_WITHIN, TEXTS, Refused
from .status import Certificate, Listing, Revocation, Revoked, Void

MOST_REQUESTERS = 5
"""How many addresses beside the recipients get the mail about one entry."""

_MOST_RECIPIENTS = 10


def with_requester(before: Recipients, request: RevocationRequested) -> Recipients:
    """Return the requesters with who asks now: each address once, and no wrong one. Beyond the most it adds none."""
    address = mailbox(request.notify.email) if request.notify is not None else None
    if request.notify is None or address is None or len(before) >= MOST_REQUESTERS:
        return before
    if identity(address) in {identity(each.email) for each in before}:
        return before
    language = next((each for each in Language if each == request.notify.language), None)
    return (*before, Recipient(role=RecipientRole.REQUESTER, email=address, language=language))


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
    case_id: UUID, request_id: UUID, status: Revoked, certificate: Certificate, listing: Listing, to: Recipients
) -> CertificateRevoked:
    """Return the event that causes the mail to `to`, because of a request."""
    entry = status.revocation
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


def valid(certificate: Certificate) -> StandingChanged:
    """Return the event that lets OCSP say good."""
    return StandingChanged(
        issuer=certificate.issuer, serial=certificate.serial, standing=Standing.VALID, not_after=certificate.not_after
    )


def standing(certificate: Certificate | Void, entry: Revocation) -> StandingChanged:
    """Return the event that lets OCSP say revoked."""
    return StandingChanged(
        issuer=certificate.issuer,
        serial=certificate.serial,
        standing=Standing.REVOKED,
        reason=entry.reason,
        revoked_at=entry.revoked_at,
        invalid_since=entry.invalid_since,
        not_after=certificate.not_after,
    )


def announcements(published: Published) -> Iterator[CrlPublished | StandingsCounted]:
    """Yield the CRLs that a pass announces, and how many standings OCSP responders have to know by then (D8)."""
    for crl in published.announced:
        yield CrlPublished(issuer=published.issuer, **dict(crl))
        if crl.count is not None:
            yield StandingsCounted(issuer=published.issuer, count=crl.count)


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


def refusal(request: RevocationRequested, refused: Refused) -> RevocationRefused:
    """Return the answer to a refused request."""
    return RevocationRefused(
        case_id=request.case_id,
        request_id=request.request_id,
        account_id=request.actor.account_id,
        in_case=refused.in_case,
        code=refused.code.value,
        texts=TEXTS[refused.code],
    )

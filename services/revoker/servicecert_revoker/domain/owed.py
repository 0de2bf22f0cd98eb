"""What a certificate owes to the revoker's topics: its standing, its revocation, and requests of the authority. Pure.

Who was notified of a revocation is who was in the event then: nobody gets a mail for it twice (D5).
"""

from collections.abc import Iterator
from uuid import UUID

from servicecert_schemas.revocation import RevocationRegistered
from servicecert_worker.core.owed import Owed

from .notices import notified, revoked, standing, valid
from .status import Awaited, Certificate, Entered, Registered, Revoked, Status, Valid


def owed(case_id: UUID, status: Status) -> Iterator[Owed]:
    """Yield the standing for OCSP responders (D8, I7), and the events of the case about its revocation.

    As revoked counts what a published CRL lists. A void serial number has no case's events, and a second certificate
    none (F2).
    """
    if isinstance(status, Awaited):
        return
    certificate = status.certificate
    if isinstance(status, Valid | Registered):
        if isinstance(certificate, Certificate):
            yield Owed(valid(certificate), certificate.issued_at)
    else:
        yield Owed(standing(certificate, status.revocation), status.revocation.revoked_at)
    if isinstance(status, Entered) and isinstance(certificate, Certificate) and certificate.second_of is None:
        yield from _of_case(case_id, status, certificate)


def _of_case(case_id: UUID, status: Entered, certificate: Certificate) -> Iterator[Owed]:
    """Yield that relying parties see the entry, or else that it is registered: one follows from the other."""
    entry = status.revocation
    if isinstance(status, Revoked) and not status.changed:
        if (listing := status.listing) is not None:
            to = notified(certificate, status.requesters[: listing.requesters])
            event = revoked(case_id, entry.request_id, status, certificate, listing, to)
            yield Owed(event, listing.published_at)
        return
    registered = RevocationRegistered(
        case_id=case_id,
        request_id=entry.request_id,
        serial=certificate.serial,
        reason=entry.reason,
        requested_at=entry.requested_at,
        due=entry.due,
    )
    yield Owed(registered, entry.changed_at or entry.requested_at)

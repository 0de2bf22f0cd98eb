"""What a certificate owes to the revoker's topics: its standing, its revocation, and requests of the authority. Pure.

Who was notified of a revocation is who was in the event then: nobody gets a mail for it twice (D5).
"""

from collections.abc import Iterator
from uuid import UUID

from servicecert_schemas.revocation import RevocationRegistered
from servicecert_worker.core.owed import Owed

from .certificates import Certificate
from .status import Entered, Listed, Registered, Revoked, Status, Valid, certificate_of, notified, revoked, standing


def owed(case_id: UUID, status: Status) -> Iterator[Owed]:
    """Yield the standing for OCSP responders (D8, I7), and the events of the case about its revocation.

    As revoked counts what a published CRL lists. A void serial number has no case's events, and a second certificate
    none (F2).
    """
    match status:
        case Listed() | Revoked():
            yield Owed(standing(status.certificate, status.revocation), status.revocation.revoked_at)
        case Valid(issued) | Registered(Certificate() as issued):
            yield Owed(standing(issued), issued.issued_at)
    if (
        not isinstance(status, Entered)
        or (certificate := certificate_of(status)) is None
        or certificate.second_of is not None
    ):
        return
    entry = status.revocation
    if status.is_open:
        # That relying parties see the entry follows from that it is registered: one of the two is owed.
        registered = RevocationRegistered(
            case_id=case_id,
            request_id=entry.request_id,
            serial=certificate.serial,
            reason=entry.reason,
            requested_at=entry.requested_at,
            due=entry.due,
        )
        yield Owed(registered, entry.changed_at or entry.requested_at)
    elif isinstance(status, Revoked) and (listing := status.listing) is not None:
        to = notified(certificate, status.requesters[: listing.requesters])
        yield Owed(revoked(case_id, entry.request_id, entry, certificate, listing, to), listing.published_at)

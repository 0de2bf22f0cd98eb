"""The events that tell of a certificate's standing: to OCSP responders, and to whom a revocation concerns. Pure."""

from uuid import UUID

from servicecert_schemas.revocation import CertificateRevoked, Standing, StandingChanged

from .confirmation import Confirmed
from .status import Certificate, Final, certificate_of


def valid(certificate: Certificate) -> StandingChanged:
    """The certificate is issued: OCSP says good (D8)."""
    return StandingChanged(
        issuer=certificate.issuer,
        serial=certificate.serial,
        standing=Standing.VALID,
        not_after=certificate.not_after,
    )


def listed(status: Final) -> StandingChanged:
    """A published CRL lists the certificate, or the void serial number: OCSP says revoked, and not before (I7)."""
    certificate, entry = status.certificate, status.revocation
    return StandingChanged(
        issuer=certificate.issuer,
        serial=certificate.serial,
        standing=Standing.REVOKED,
        reason=entry.reason,
        revoked_at=entry.revoked_at,
        invalid_since=entry.invalid_since,
        not_after=certificate.not_after,
    )


def revoked(status: Final, key: str, confirmed: Confirmed) -> tuple[CertificateRevoked, ...]:
    """CRL and OCSP both say so: mail and the customer's view follow (D5, I7). `key` is the case. Of what is void nobody has ever heard."""
    certificate, entry = certificate_of(status), status.revocation
    if certificate is None:
        return ()
    told = CertificateRevoked(
        case_id=UUID(key),
        request_id=entry.request_id,
        issuer=certificate.issuer,
        serial=certificate.serial,
        serial_decimal=str(int(certificate.serial, 16)),
        subject=certificate.subject,
        reason=entry.reason,
        requested_at=entry.requested_at,
        revoked_at=entry.revoked_at,
        invalid_since=entry.invalid_since,
        crl_number=confirmed.crl_number,
        crl_url=confirmed.crl_url,
        published_at=confirmed.published_at,
        language=certificate.language,
        recipients=certificate.recipients,
    )
    return (told,)

"""The entries of CRLs."""

from types import MappingProxyType

from servicecert_pki.crl import Reason, RevokedCertificate, check_entry, entry_der
from servicecert_schemas.revocation import RevocationReason

from .certificates import Certificate, Void
from .status import Revocation

REASONS = MappingProxyType(
    {
        RevocationReason.KEY_EXPOSED: Reason.KEY_COMPROMISE,
        RevocationReason.NO_LONGER_NEEDED: Reason.CESSATION_OF_OPERATION,
        RevocationReason.PURPOSE_OR_DATA_CHANGED: Reason.AFFILIATION_CHANGED,
        RevocationReason.PRIVILEGE_WITHDRAWN: Reason.PRIVILEGE_WITHDRAWN,
    }
)
"""The reasons of D2 as RFC 5280, 5.3.1 codes them."""


def entry(certificate: Certificate | Void, revocation: Revocation) -> bytes:
    """Return a CRL entry in DER, checked by another library and stored once (D7). Raises CrlUnsound."""
    serial, reason = int(certificate.serial, 16), REASONS[revocation.reason]
    made = entry_der(serial, revocation.revoked_at, reason, revocation.invalid_since)
    check_entry(made, RevokedCertificate(serial, revocation.revoked_at, reason, revocation.invalid_since))
    return made

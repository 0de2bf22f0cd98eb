"""Verdicts on what relying parties are told: the CRL and the OCSP answer about the canary's certificate."""

from datetime import datetime

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus
from servicecert_pki.crl_reading import Unreadable, is_signed, load
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound

from .certificate import SKEW, Certified
from .stages import NotYet


def listed(encoded: bytes, certified: Certified, now: datetime, *, wanted: bool) -> None:
    """Return if a CRL that is valid now covers the certificate, and lists it or not as wanted. Raises NotYet."""
    try:
        crl = load(encoded)
    except Unreadable as fault:
        raise NotYet(f"what is at the CRL's address cannot be used: {fault}") from None
    if crl.issuer.public_bytes() != certified.issuer.subject_der or not is_signed(encoded, crl, certified.issuer):
        raise NotYet(f"the CRL is not signed by {certified.issuer.id}")
    if not _covers(crl, certified.crl_url):
        raise NotYet("the CRL is that of another address")
    if crl.last_update_utc > now + SKEW or crl.next_update_utc is None or crl.next_update_utc <= now:
        raise NotYet("the CRL is outdated: see the log of the revoker, and caches before it")
    is_listed = crl.get_revoked_certificate_by_serial_number(certified.serial) is not None
    if is_listed and not wanted:
        raise NotYet("the CRL lists the certificate, which is not revoked: see the log of the revoker")
    if wanted and not is_listed:
        raise NotYet("the CRL does not list the revoked certificate: see the log of the revoker, and caches before it")


def answered(query: OcspQuery, answer: bytes, wanted: OCSPCertStatus, now: datetime) -> None:
    """Return if an OCSP answer that is valid now says what is wanted. Raises NotYet."""
    try:
        status = query.status(answer, now)
    except OcspUnsound as fault:
        raise NotYet(f"OCSP: {fault}") from None
    if status is not wanted:
        raise NotYet(f"OCSP says {status.name.lower()} and not {wanted.name.lower()}: see the log of the responder")


def _covers(crl: x509.CertificateRevocationList, url: str) -> bool:
    """Return whether it is the full list, or the one whose distribution point is this address (RFC 5280, 5.2.5)."""
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    return [it.value for it in point.full_name or ()] == [url]

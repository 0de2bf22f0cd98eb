"""The check of a stored certificate: it is still what was intended and signed, and the linter has no findings."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from .certificate import CertificateUnsound, verify_certificate
from .issuer import IssuerInfo
from .pkix_lint import lint_certificate
from .spki import spki_of, spki_sha256


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate as stored: the bytes to be signed, the certificate, and the values recorded with it."""

    key: str
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    key_sha256: str
    tbs: bytes
    certificate: bytes


def recheck(stocked: StoredCertificate, issuer: IssuerInfo | None) -> tuple[str, ...]:
    """Return the codes of all findings: those of this module, and pkilint's of warning level or worse.

    `issuer` is the recorded CA, None if it is no longer installed. The codes quote nothing of the certificate.
    """
    if issuer is None:
        return ("recheck.issuer-missing",)
    try:
        verify_certificate(stocked.certificate, stocked.tbs, issuer.public_key)
    except CertificateUnsound:
        return ("recheck.unsound",)
    read = x509.load_der_x509_certificate(stocked.certificate)
    codes = [] if _certified(read) == _recorded(stocked) else ["recheck.record-differs"]
    if read.issuer.public_bytes() != issuer.subject_der:
        codes.append("recheck.issuer-differs")
    if not _is_end_entity(read, issuer):
        codes.append("recheck.no-service-certificate")
    return (*codes, *(finding.code for finding in lint_certificate(stocked.certificate)))


def _is_end_entity(read: x509.Certificate, issuer: IssuerInfo) -> bool:
    """Return whether it is no CA and its policies are its CA's, which pkilint does not check."""
    try:
        constraints = read.extensions.get_extension_for_class(x509.BasicConstraints).value
        policies = read.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return not constraints.ca and all(issuer.allows(it.policy_identifier.dotted_string) for it in policies)


def _certified(read: x509.Certificate) -> tuple[int, datetime, datetime, str]:
    try:
        key = spki_sha256(spki_of(read.public_key()))
    except (ValueError, UnsupportedAlgorithm):
        key = ""
    return read.serial_number, read.not_valid_before_utc, read.not_valid_after_utc, key


def _recorded(stocked: StoredCertificate) -> tuple[int, datetime, datetime, str]:
    return stocked.serial, stocked.not_before, stocked.not_after, stocked.key_sha256

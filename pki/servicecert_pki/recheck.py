"""A third pair of eyes, after the fact: whether a certificate of the stock is still what was intended, signed and free of findings."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from .certificate import CertificateUnsound, verify_certificate
from .issuer import IssuerInfo
from .pkix_lint import lint_certificate
from .spki import spki_of, spki_sha256


@dataclass(frozen=True, slots=True)
class Stocked:
    """A certificate as the records have it: what was to be signed, what was signed, and what is said of it beside."""

    key: str
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    key_sha256: str
    tbs: bytes
    certificate: bytes


def recheck(stocked: Stocked, issuer: IssuerInfo | None) -> tuple[str, ...]:
    """Return what is wrong, each by its code: those of this module, and pkilint's of warning level or worse.

    `issuer` is the CA that is said to have signed it, None where that is gone. The codes quote nothing of the certificate.
    """
    if issuer is None:
        return ("recheck.issuer-missing",)
    try:
        verify_certificate(stocked.certificate, stocked.tbs, issuer.public_key)
    except CertificateUnsound:
        return ("recheck.unsound",)
    read = x509.load_der_x509_certificate(stocked.certificate)
    wrong = [] if _said(read) == _recorded(stocked) else ["recheck.record-differs"]
    if read.issuer.public_bytes() != issuer.subject_der:
        wrong.append("recheck.issuer-differs")
    if not _is_end_entity(read, issuer):
        wrong.append("recheck.no-service-certificate")
    return (*wrong, *(finding.code for finding in lint_certificate(stocked.certificate)))


def _is_end_entity(read: x509.Certificate, issuer: IssuerInfo) -> bool:
    """Whether it can sign no certificates, and is for a policy that its CA is for: what pkilint takes for sound in a CA's certificate too."""
    try:
        constraints = read.extensions.get_extension_for_class(x509.BasicConstraints).value
        policies = read.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return not constraints.ca and all(issuer.allows(it.policy_identifier.dotted_string) for it in policies)


def _said(read: x509.Certificate) -> tuple[int, datetime, datetime, str]:
    try:
        key = spki_sha256(spki_of(read.public_key()))
    except (ValueError, UnsupportedAlgorithm):
        key = ""
    return read.serial_number, read.not_valid_before_utc, read.not_valid_after_utc, key


def _recorded(stocked: Stocked) -> tuple[int, datetime, datetime, str]:
    return stocked.serial, stocked.not_before, stocked.not_after, stocked.key_sha256

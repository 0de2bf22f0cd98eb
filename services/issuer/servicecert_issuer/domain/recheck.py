"""The check of all issued certificates, each night, one part after the other: they are still what was signed. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from cryptography import x509
from pydantic import BaseModel
from servicecert_pki.certificate import CertificateUnsound, verify_certificate
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.lint import lint_certificate
from servicecert_pki.spki import spki_in, spki_sha256
from servicecert_pki.validity import day_of, in_helsinki
from servicecert_worker.core.decider import Deadline, Decision, Due, Intent, Result

RECHECK = "recheck"

_HOUR = time(2)


class RecheckOrder(BaseModel):
    """An order to check the next part."""


class Rechecked(BaseModel):
    """A part was checked; `ended` if it was the last."""

    ended: bool


def plan(happened: Due | Result, now: datetime) -> Decision[Any]:
    """Return the decision on the night's deadline or a checked part: the next part, and the next night."""
    order = (Intent(RECHECK, RecheckOrder()),)
    match happened:
        case Due():
            tonight = in_helsinki(day_of(now) + timedelta(days=1), _HOUR)
            return Decision(None, intents=order, deadlines=(Deadline(RECHECK, tonight),))
        case Result(data=Rechecked(ended=True)):
            return Decision(None)
    return Decision(None, intents=order)


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


def recheck(stored: StoredCertificate, issuer: IssuerInfo | None) -> tuple[str, ...]:
    """Return the codes of all findings: those of this module, and pkilint's of warning level or worse.

    `issuer` is the recorded CA, None if it is no longer installed. The codes quote nothing of the certificate.
    """
    if issuer is None:
        return ("recheck.issuer-missing",)
    try:
        verify_certificate(stored.certificate, stored.tbs, issuer.public_key)
    except CertificateUnsound:
        return ("recheck.unsound",)
    read = x509.load_der_x509_certificate(stored.certificate)
    key = spki_in(read)
    certified = (read.serial_number, read.not_valid_before_utc, read.not_valid_after_utc, key and spki_sha256(key))
    wrong = {
        "record-differs": certified != (stored.serial, stored.not_before, stored.not_after, stored.key_sha256),
        "issuer-differs": read.issuer.public_bytes() != issuer.subject_der,
        "no-service-certificate": not _is_end_entity(read, issuer),
    }
    findings = (it.code for it in lint_certificate(stored.certificate))
    return (*(f"recheck.{code}" for code, found in wrong.items() if found), *findings)


def _is_end_entity(read: x509.Certificate, issuer: IssuerInfo) -> bool:
    """Return whether it is no CA and its policies are its CA's, which pkilint does not check."""
    try:
        constraints = read.extensions.get_extension_for_class(x509.BasicConstraints).value
        policies = read.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return not constraints.ca and all(issuer.allows(it.policy_identifier.dotted_string) for it in policies)

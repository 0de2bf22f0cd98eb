"""The events about a certificate, from the state of its case. Pure."""

from base64 import b64encode
from uuid import UUID

from servicecert_schemas.certificate import (
    CertificateIntended,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
    IssuingStopped,
)

from .issuance import Intended, Signed, Stopped, Voided
from .unissuable import STOPPED, STOPPED_REQUEST, Unissuable


def intending(case_id: UUID, it: Intended) -> CertificateIntended:
    """Return the event of a certificate's bytes: the topic has it before they are signed (I4)."""
    said = {**vars(it.linted), "tbs": b64encode(it.linted.tbs).decode()}
    return CertificateIntended(case_id=case_id, sign_by=it.sign_by, application_sha256=it.application_sha256, **said)


def issued(case_id: UUID, intended: Intended, signed: Signed) -> CertificateIssued:
    return CertificateIssued(
        case_id=case_id,
        **vars(intended.grant),
        **vars(intended.linted),
        serial_decimal=str(int(intended.linted.serial, 16)),
        subject=signed.subject,
        fingerprint=signed.fingerprint,
        certificate=b64encode(signed.certificate).decode(),
        chain=tuple(b64encode(certificate).decode() for certificate in signed.chain),
    )


def voided(case_id: UUID, void: Voided) -> CertificateVoided:
    """Return the event that an intended certificate became void (B2)."""
    linted = void.intended.linted
    return CertificateVoided(
        case_id=case_id, **vars(linted), serial_decimal=str(int(linted.serial, 16)), code=void.code
    )


def refused(case_id: UUID, reason: Unissuable) -> IssuingRefused:
    return IssuingRefused(case_id=case_id, code=reason.code, texts=reason.texts)


def stopping(stopped: Stopped) -> IssuingStopped:
    reason = STOPPED_REQUEST if stopped.is_by_request else STOPPED
    return IssuingStopped(case_id=stopped.application.case_id, code=reason.code, texts=reason.texts)

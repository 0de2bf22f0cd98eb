"""The events about a certificate, from the state of its case. Pure."""

from base64 import b64encode
from uuid import UUID

from servicecert_schemas.certificate import CertificateIssued, CertificateVoided, IssuingRefused, IssuingStopped

from .issuance import Intended, Signed, Stopped, Voided
from .unissuable import STOPPED, STOPPED_REQUEST, Unissuable


def issued(case_id: UUID, intended: Intended, signed: Signed) -> CertificateIssued:
    """Return the event that a certificate was signed as intended."""
    allocated, grant = intended.allocated, intended.grant
    return CertificateIssued(
        case_id=case_id,
        account_id=grant.account_id,
        decision_id=grant.decision_id,
        type=grant.type,
        issuer=allocated.issuer,
        serial=allocated.serial_hex,
        serial_decimal=str(allocated.serial),
        subject=signed.subject,
        not_before=allocated.not_before,
        not_after=allocated.not_after,
        fingerprint=signed.fingerprint,
        key_sha256=allocated.key_sha256,
        profile=allocated.profile,
        profile_version=allocated.profile_version,
        partition=allocated.partition,
        certificate=b64encode(signed.certificate).decode(),
        chain=tuple(b64encode(certificate).decode() for certificate in signed.chain),
        due=grant.due,
        language=grant.language,
        recipients=grant.recipients,
    )


def voided(case_id: UUID, void: Voided) -> CertificateVoided:
    """Return the event that an intended certificate became void (B2)."""
    allocated = void.intended.allocated
    return CertificateVoided(
        case_id=case_id,
        issuer=allocated.issuer,
        serial=allocated.serial_hex,
        serial_decimal=str(allocated.serial),
        code=void.code,
        not_after=allocated.not_after,
        partition=allocated.partition,
    )


def refused(case_id: UUID, reason: Unissuable) -> IssuingRefused:
    """Return the event that a case gets no certificate."""
    return IssuingRefused(case_id=case_id, code=reason.code, texts=reason.texts)


def stopping(stopped: Stopped) -> IssuingStopped:
    """Return the event that issuing is stopped by findings (B3, F2)."""
    reason = STOPPED_REQUEST if stopped.is_by_request else STOPPED
    return IssuingStopped(case_id=stopped.application.case_id, code=reason.code, texts=reason.texts)

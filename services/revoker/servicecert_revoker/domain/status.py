"""What is known of a case's certificate: awaited, valid, registered for revocation, listed, revoked. Each comes from the one before, never back (D3)."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, Recipients
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType, Language


@dataclass(frozen=True, slots=True)
class Certificate:
    """What revoking needs of an issued certificate.

    `serial` is lower-case hexadecimal, `subject` RFC 4514 text, `partition` its CRL's (D7), `key_sha256` of its SubjectPublicKeyInfo (D6). By type and
    profile operators select what an incident concerns.
    """

    issuer: str
    serial: str
    account_id: str
    subject: str
    issued_at: datetime
    not_after: datetime
    language: Language
    recipients: Recipients
    key_sha256: str
    type: CertificateType
    profile: str
    profile_version: int
    partition: int = FULL

    @classmethod
    def of(cls, issued: CertificateIssued, issued_at: datetime) -> "Certificate":
        return cls(
            issuer=issued.issuer,
            serial=issued.serial,
            account_id=issued.account_id,
            subject=issued.subject,
            issued_at=issued_at,
            not_after=issued.not_after,
            language=issued.language,
            recipients=issued.recipients,
            key_sha256=issued.key_sha256,
            type=issued.type,
            profile=issued.profile,
            profile_version=issued.profile_version,
            partition=issued.partition,
        )


@dataclass(frozen=True, slots=True)
class Void:
    """A serial number that is void, and all that its CRL's entry needs: its certificate was given to nobody, and may have been signed (B2)."""

    issuer: str
    serial: str
    not_after: datetime
    partition: int = FULL


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, when its writer says that it was written, and since when it is here."""

    request: RevocationRequested
    at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """A request that was right. `request_id` is the one that gave the reason; the times are the first request's (D3)."""

    request_id: UUID
    reason: RevocationReason
    requested_at: datetime
    due: datetime
    revoked_at: datetime
    invalid_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Awaited:
    """Requests that came before the certificate: two topics have no order between them."""

    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Valid:
    """Nobody has asked for its revocation and been right. `held` are, here and below, the requests that wait: see `requests`."""

    certificate: Certificate
    held: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """The revocation is decided and its entry stored; no published CRL is known to say so yet."""

    certificate: Certificate | Void
    revocation: Revocation
    held: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A published CRL says so; whether OCSP does is being asked."""

    certificate: Certificate | Void
    revocation: Revocation
    held: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """A published CRL and OCSP say so, and whom it concerns is told."""

    certificate: Certificate | Void
    revocation: Revocation
    held: tuple[Asked, ...] = ()


Entered: TypeAlias = Registered | Listed | Revoked
"""A revocation whose entry is stored: nothing takes it back (D3)."""

Numbered: TypeAlias = Valid | Entered
"""There is a serial number: a certificate's, or a void one, and for ever the same."""

Status: TypeAlias = Awaited | Numbered


def certificate_of(status: Status | None) -> Certificate | None:
    """The certificate that was issued, where it is known. A void one is nobody's: whoever asks for it meets a case without a certificate."""
    found = status.certificate if isinstance(status, Numbered) else None
    return found if isinstance(found, Certificate) else None


def held_of(status: Status | None) -> tuple[Asked, ...]:
    """The requests that wait, in their order."""
    if status is None:
        return ()
    return status.asked if isinstance(status, Awaited) else status.held

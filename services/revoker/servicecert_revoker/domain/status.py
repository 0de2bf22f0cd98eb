"""The status of a case's certificate: awaited, valid, registered, listed, revoked. It never goes back (D3)."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, TypeAlias
from uuid import UUID

from pydantic import ConfigDict
from servicecert_pki.issued import read_certificate
from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, Recipients
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType, Language

from .certificates import Verified


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a revocation needs of an issued certificate.

    `serial` is lower-case hexadecimal, `subject` RFC 4514 text, `partition` its CRL's (D7), `key_sha256` of its
    SubjectPublicKeyInfo (D6). Operators select the certificates of an incident by type and profile. `second_of` is the
    case of a certificate that came after another one of its case (F2): it has a key of its own, and nobody is notified.
    `der` is the certificate itself; those stored by earlier versions lack it.
    """

    __pydantic_config__: ClassVar = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

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
    not_before: datetime | None = None
    second_of: str | None = None
    der: bytes | None = field(default=None, repr=False)

    @property
    def begins(self) -> datetime:
        """The certificate's first moment. Those stored by earlier versions lack it: their issuance counts."""
        return self.not_before or self.issued_at

    @classmethod
    def of(cls, issued: CertificateIssued, verified: Verified, issued_at: datetime) -> "Certificate":
        """Return what the certificate says itself (F2), and of the event only the rest."""
        return cls(
            issuer=verified.issuer,
            serial=verified.serial,
            account_id=issued.account_id,
            subject=verified.subject,
            issued_at=issued_at,
            not_after=verified.not_after,
            language=issued.language,
            recipients=issued.recipients,
            key_sha256=verified.key_sha256,
            type=issued.type,
            profile=issued.profile,
            profile_version=issued.profile_version,
            partition=verified.partition,
            not_before=verified.not_before,
            der=verified.der,
        )

    def read(self, der: bytes) -> "Certificate":
        """Return it with what the certificate itself says, whatever is stored beside it (F2)."""
        _, own = read_certificate(der)
        return replace(
            self,
            serial=own.serial,
            subject=own.subject,
            not_before=own.not_before,
            not_after=own.not_after,
            key_sha256=own.key_sha256,
            der=der,
        )

    def is_as(self, told: "Certificate") -> bool:
        """Return whether it is what an event tells, but for the time of that, and recipients, who may be erased."""
        changing = replace(self, issued_at=told.issued_at, recipients=told.recipients, second_of=told.second_of)
        return replace(changing, not_before=self.not_before or told.not_before, der=self.der or told.der) == told


@dataclass(frozen=True, slots=True)
class Void:
    """A void serial number, with what a CRL entry needs: its certificate may be signed, and nobody received it (B2)."""

    issuer: str
    serial: str
    not_after: datetime
    partition: int = FULL


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for revocation: `at` is its event's time, `since` the time when it was read."""

    request: RevocationRequested
    at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """A granted request, as CRLs list it. `request_id` is the request that gave the reason and the date.

    The other times are the first request's: they never change (D3). `changed_at` is when a request was sent that
    changed reason or date, and `changes` how often that happened.
    """

    request_id: UUID
    reason: RevocationReason
    requested_at: datetime
    due: datetime
    revoked_at: datetime
    invalid_since: datetime | None = None
    changed_at: datetime | None = None
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """The published CRL of which the recipients were notified, and the first so many requesters with them.

    A later requester is notified alone. Earlier versions stored no number.
    """

    crl_number: int
    crl_url: str
    published_at: datetime
    requesters: int = 0


@dataclass(frozen=True, slots=True)
class Awaited:
    """Requests that were read before the certificate: two topics have no common order."""

    pending: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Valid:
    """No request for its revocation was granted. `pending`, here and below, are requests: see `requests`."""

    certificate: Certificate
    pending: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """The revocation is decided and its entry stored. No published CRL lists it yet.

    `requesters`, here and below, asked for it and gave an address: they get the mail beside the recipients (D5).
    """

    certificate: Certificate | Void
    revocation: Revocation
    pending: tuple[Asked, ...] = ()
    requesters: Recipients = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A published CRL lists it. The OCSP responder has not confirmed it yet."""

    certificate: Certificate | Void
    revocation: Revocation
    pending: tuple[Asked, ...] = ()
    requesters: Recipients = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """A published CRL lists it and OCSP says revoked. The recipients are notified of it, by `listing`.

    `changed`: a later request changed the entry (D3). Relying parties cannot see the new one yet, nobody is notified of
    it, and `requesters` are those of the new one. Earlier versions stored no listing.
    """

    certificate: Certificate | Void
    revocation: Revocation
    pending: tuple[Asked, ...] = ()
    requesters: Recipients = ()
    listing: Listing | None = None
    changed: bool = False


Entered: TypeAlias = Registered | Listed | Revoked
"""A revocation with a stored entry: it is final (D3)."""

Numbered: TypeAlias = Valid | Entered
"""A status with a serial number, a certificate's or a void one. It never changes."""

Status: TypeAlias = Awaited | Numbered


def is_open(status: Entered) -> bool:
    """Return whether relying parties cannot see the entry yet."""
    return not isinstance(status, Revoked) or status.changed


def certificate_of(status: Status | None) -> Certificate | None:
    """Return the issued certificate, if it is known. A void one counts as none."""
    certificate = status.certificate if isinstance(status, Numbered) else None
    return certificate if isinstance(certificate, Certificate) else None


def pending_of(status: Status | None) -> tuple[Asked, ...]:
    """Return the pending requests, in their order."""
    return () if status is None else status.pending

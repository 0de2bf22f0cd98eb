"""The order of issuing as types (B2 to B4): Linted -> Intended -> Signed -> Recorded.

A `Linted` is the bytes to be signed, checked. They become `Intended` in the transaction that stores them; only an
intent is signed, as its `SigningOrder`, and only a certificate with the intended bytes is recorded.

An intent is signed, with the same bytes and serial number, as soon as its CA's key is available until `sign_by`. After
that, or on an operator's request, its serial number is void, and nothing more is signed for its case. The single result
of the intent decides which, so it is never both.
"""

from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, TypeAlias
from uuid import UUID

from cryptography import x509
from pydantic import BaseModel, ConfigDict
from servicecert_pki import der
from servicecert_pki.ca_signing import Checked, sign_certificate
from servicecert_pki.certificate import CertificateUnsound, Contents
from servicecert_pki.issued import subject_text
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL, partition_in
from servicecert_pki.serials import serial_hex
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.certificate import ApplicationAccepted, Recipients
from servicecert_schemas.values import CertificateType, Language, Value
from servicecert_worker.core.decider import Facts
from servicecert_worker.core.signed_record import SignedRecord

REQUEST_FINDING = "request."
"""What the findings about a certificate request begin with."""


@dataclass(frozen=True)
class Linted(Facts):
    """A certificate to be signed (`tbs`, DER) without findings (B3), and what its bytes say, as events name it."""

    issuer: str
    serial: str
    tbs: bytes
    profile: str
    profile_version: int
    partition: int
    not_before: datetime
    not_after: datetime
    key_sha256: str
    business_id: str

    @classmethod
    def of(cls, contents: Contents, tbs: bytes) -> "Linted":
        return cls(
            issuer=contents.issuer.id,
            serial=serial_hex(contents.serial).lower(),
            tbs=tbs,
            profile=contents.profile.type_id,
            profile_version=contents.profile.version,
            partition=partition_in(contents.crl_url, contents.issuer.id) or FULL,
            not_before=contents.not_before,
            not_after=contents.not_after,
            key_sha256=spki_sha256(contents.spki),
            business_id=contents.subject.business_id,
        )


@dataclass(frozen=True)
class Grant:
    """The parts of the application in the issued event: account, decision, due time and recipients."""

    account_id: str
    decision_id: UUID
    type: CertificateType
    due: datetime
    language: Language
    recipients: Recipients

    @classmethod
    def of(cls, application: ApplicationAccepted) -> "Grant":
        return cls(**{it.name: getattr(application, it.name) for it in fields(cls)})


@dataclass(frozen=True, slots=True)
class Intended:
    """The point of no return: these bytes, and no others, will be signed for this case, until `sign_by`.

    `application_sha256` is of the application that led to it, `record` is the application as intake has signed it: the
    act that signs believes nothing else (F3). It is dropped when the intent ends. `unwanted`: code of what voids it,
    `operator` or `key-compromised`.
    """

    linted: Linted
    grant: Grant
    sign_by: datetime
    application_sha256: str | None = None
    record: SignedRecord | None = field(default=None, compare=False)
    unwanted: str | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls, linted: Linted, application: ApplicationAccepted, sign_by: datetime, record: SignedRecord | None = None
    ) -> "Intended":
        return cls(linted, Grant.of(application), sign_by, application.application_sha256, record)


class SigningOrder(BaseModel):
    """The data of a signing intent."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "tbs_sha256")

    issuer: str
    tbs: bytes
    sign_by: datetime | None = None

    @property
    def tbs_sha256(self) -> str:
        """The hash of the bytes to be signed, as audited (B6)."""
        return sha256(self.tbs).hexdigest()

    def is_of(self, intended: Intended) -> bool:
        return (self.issuer, self.tbs) == (intended.linted.issuer, intended.linted.tbs)

    @classmethod
    def of(cls, intended: Intended) -> "SigningOrder":
        return cls(issuer=intended.linted.issuer, tbs=intended.linted.tbs, sign_by=intended.sign_by)


class Signed(BaseModel):
    """A certificate whose signature was verified and whose signed bytes are the ordered ones (B4).

    `chain` holds the issuing CA's certificate and its root's; `subject` is RFC 4514 text.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    AUDITED: ClassVar[tuple[str, ...]] = ("fingerprint",)

    certificate: bytes
    chain: tuple[bytes, ...]
    subject: str
    fingerprint: str

    @classmethod
    def by(cls, checked: Checked, key: SigningKey) -> "Signed":
        """Sign what was checked in this act (F3). Raise CertificateUnsound, or KeyUnavailable."""
        issuer = checked.issuer
        return cls.read(sign_certificate(checked, key), (issuer.certificate_der, issuer.root_der))

    @classmethod
    def read(cls, certificate: bytes, chain: tuple[bytes, ...]) -> "Signed":
        return cls(
            certificate=certificate,
            chain=chain,
            subject=subject_text(x509.load_der_x509_certificate(certificate)),
            fingerprint=sha256(certificate).hexdigest(),
        )


class Unsigned(Value):
    """The result of an order that was not signed: `deadline` (expired), `operator` (voided), `ended` (ended before).

    Or `key-compromised` (D6), or it was refused (F3): `other-bytes` (not those that the table intends), or a code of
    SigningRefused.
    """

    AUDITED: ClassVar[tuple[str, ...]] = ("code",)

    code: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """An issued certificate."""

    intended: Intended
    certificate: bytes

    @classmethod
    def of(cls, intended: Intended, signed: Signed) -> "Recorded":
        """Record a signed intent. Raise CertificateUnsound where other bytes were signed (B4)."""
        if der.parts(signed.certificate)[0] != intended.linted.tbs:
            raise CertificateUnsound("The signed certificate differs from the intended bytes.")
        return cls(intended, signed.certificate)


@dataclass(frozen=True, slots=True)
class Refused:
    """An application that cannot be issued, with the reason's code; one withdrawn before it was read has no digest."""

    code: str
    application_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Voided:
    """An intent that ended without a certificate, with the reason's code."""

    intended: Intended
    code: str


@dataclass(frozen=True, slots=True)
class Stopped(Facts):
    """An application whose draft, or whose request, has findings (B3, F2). Nothing is intended.

    The drawn serial number is discarded. `record` is the application as intake has signed it.
    """

    application: ApplicationAccepted
    issuer: str
    findings: tuple[str, ...]
    record: SignedRecord | None = field(default=None, compare=False)

    @property
    def is_by_request(self) -> bool:
        return any(finding.startswith(REQUEST_FINDING) for finding in self.findings)


State: TypeAlias = Intended | Recorded | Refused | Voided | Stopped


def intent_of(state: State | None) -> Intended | None:
    """Return the intent of a case, also one that ended."""
    begun = state.intended if isinstance(state, Recorded | Voided) else state
    return begun if isinstance(begun, Intended) else None


def accepted_digest(state: State) -> str | None:
    """Return the digest of the application that a case began with, if it is known."""
    if isinstance(state, Stopped):
        return state.application.application_sha256
    begun = state.intended if isinstance(state, Recorded | Voided) else state
    return begun.application_sha256

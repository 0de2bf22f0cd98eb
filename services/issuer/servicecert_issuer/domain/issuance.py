"""The order of issuing as types: Allocated -> Linted -> Intended -> Signed -> Recorded, each made only from the one before (B2 to B4).

An `Allocated` is a draft that binds nobody, and a `Linted` one that was checked. It becomes `Intended` in the transaction that makes it durable;
only what is intended is signed, and only what holds the intended bytes is recorded.

How an intention ends: it is finished, with the same bytes and the same serial number, whenever its CA's key answers until `sign_by`. After that, or
where an operator has asked for it before, its serial number is void, and nothing is signed for its case any more. The one result of the one act
decides which, so it is never both.

LintFailed      the certificate to be signed did not pass the checks (B3)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, TypeAlias
from uuid import UUID

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict
from servicecert_pki import der
from servicecert_pki.certificate import CertificateUnsound, Contents, sign_tbs, verify_certificate
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import ApplicationAccepted, Recipients
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.decider import Facts


@dataclass(frozen=True, slots=True)
class Allocated:
    """A serial number drawn for an application, and the exact certificate to be signed that bears it (DER)."""

    issuer: str
    serial: int
    profile: str
    profile_version: int
    not_before: datetime
    not_after: datetime
    key_sha256: str
    business_id: str
    tbs: bytes
    partition: int

    @property
    def serial_hex(self) -> str:
        """The serial number in lower-case hexadecimal, two digits an octet."""
        digits = f"{self.serial:x}"
        return digits if len(digits) % 2 == 0 else f"0{digits}"


Lint: TypeAlias = Callable[[Contents, bytes], Sequence[str]]
"""Checks the DER certificate to be signed against what it is to say; answers the findings of error level or worse, each by its code."""


class LintFailed(Exception):
    """The certificate to be signed has findings. They are codes, and quote nothing of the certificate."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Linted(Facts):
    """A draft that passed the checks (B3)."""

    allocated: Allocated

    @classmethod
    def by(cls, allocated: Allocated, contents: Contents, lint: Lint) -> "Linted":
        """Raises LintFailed."""
        if findings := tuple(lint(contents, allocated.tbs)):
            raise LintFailed(findings)
        return cls(allocated)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the issued event repeats of the application: whose certificate it is, and who receives it."""

    account_id: str
    decision_id: UUID
    type: CertificateType
    due: datetime
    language: Language
    recipients: Recipients


@dataclass(frozen=True, slots=True)
class Intended:
    """The point of no return: these bytes, and no others, will be signed for this case, until `sign_by`."""

    allocated: Allocated
    grant: Grant
    sign_by: datetime

    @classmethod
    def of(cls, linted: Linted, application: ApplicationAccepted, sign_by: datetime) -> "Intended":
        return cls(
            linted.allocated,
            Grant(
                account_id=application.account_id,
                decision_id=application.decision_id,
                type=application.type,
                due=application.due,
                language=application.language,
                recipients=application.recipients,
            ),
            sign_by,
        )


class SigningOrder(BaseModel):
    """What the signing needs of an intention."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "tbs_sha256")

    issuer: str
    tbs: bytes
    sign_by: datetime | None = None

    @property
    def tbs_sha256(self) -> str:
        """What the audit chain says of the bytes to be signed (B6)."""
        return sha256(self.tbs).hexdigest()

    @classmethod
    def of(cls, intended: Intended) -> "SigningOrder":
        return cls(issuer=intended.allocated.issuer, tbs=intended.allocated.tbs, sign_by=intended.sign_by)


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What the certificates' table says of an intention: its CA, its bytes to be signed, whether it is `open` still, and whether an operator wants it void."""

    issuer: str
    tbs_sha256: str
    open: bool = True
    unwanted: bool = False

    def is_of(self, order: SigningOrder) -> bool:
        """Whether an order would sign these bytes by this CA, and no others."""
        return (self.issuer, self.tbs_sha256) == (order.issuer, order.tbs_sha256)


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
    def by(cls, issuer: IssuerInfo, key: SigningKey, order: SigningOrder) -> "Signed":
        """Sign what is ordered and check what came of it. Raises CertificateUnsound, and KeyUnavailable where a token is away."""
        certificate = sign_tbs(order.tbs, key)
        verify_certificate(certificate, order.tbs, issuer.public_key)
        subject = x509.load_der_x509_certificate(certificate).subject
        return cls(
            certificate=certificate,
            chain=(issuer.certificate_der, issuer.root_der),
            subject=subject.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber"}),
            fingerprint=sha256(certificate).hexdigest(),
        )


class Unsigned(BaseModel):
    """The end of an order that is not signed: its time is over (`deadline`), an operator asked for it (`operator`), or it has an end
    already (`ended`), which stays."""

    model_config = ConfigDict(frozen=True)

    code: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A certificate that is issued."""

    intended: Intended
    certificate: bytes

    @classmethod
    def of(cls, intended: Intended, signed: Signed) -> "Recorded":
        """Raises CertificateUnsound where another's bytes were signed (B4)."""
        tbs = next(der.members(signed.certificate, der.read(signed.certificate)))
        if signed.certificate[tbs.start : tbs.end] != intended.allocated.tbs:
            raise CertificateUnsound("The signed certificate differs from the intended bytes.")
        return cls(intended, signed.certificate)


@dataclass(frozen=True, slots=True)
class Refused:
    """An application that cannot be issued; `code` says why."""

    code: str


@dataclass(frozen=True, slots=True)
class Voided:
    """An intention that ended without a certificate; `code` says why."""

    intended: Intended
    code: str


@dataclass(frozen=True, slots=True)
class Stopped(Facts):
    """An application whose certificate did not pass the checks (B3). Nothing is intended for it: the serial number that was drawn is forgotten."""

    application: ApplicationAccepted
    issuer: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Untimely(Facts):
    """What was found out under a clock that is wrong: nothing is to be decided with it. `text` is for an operator."""

    text: str


State: TypeAlias = Intended | Recorded | Refused | Voided | Stopped

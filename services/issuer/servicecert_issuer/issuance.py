"""The order of issuing as types: Allocated -> Intended -> Signed -> Recorded, each made only from the one before (B2, B4).

An `Allocated` is a draft that binds nobody. It becomes `Intended` in the transaction that makes it durable; only what is intended is signed,
and only what holds the intended bytes is recorded.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict
from servicecert_pki import der
from servicecert_pki.certificate import CertificateUnsound, sign_tbs, verify_certificate
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import ApplicationAccepted, Recipients
from servicecert_schemas.values import CertificateType, Language

FULL_CRL = 0
"""The partition of a certificate that only its CA's full CRL covers."""


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
    tbs: bytes
    partition: int = FULL_CRL

    @property
    def serial_hex(self) -> str:
        """The serial number in lower-case hexadecimal, two digits an octet."""
        digits = f"{self.serial:x}"
        return digits if len(digits) % 2 == 0 else f"0{digits}"


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
    """The point of no return: these bytes, and no others, will be signed for this case."""

    allocated: Allocated
    grant: Grant

    @classmethod
    def of(cls, allocated: Allocated, application: ApplicationAccepted) -> "Intended":
        return cls(
            allocated,
            Grant(
                account_id=application.account_id,
                decision_id=application.decision_id,
                type=application.type,
                due=application.due,
                language=application.language,
                recipients=application.recipients,
            ),
        )


class SigningOrder(BaseModel):
    """What the signing needs of an intention."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    issuer: str
    tbs: bytes

    @classmethod
    def of(cls, intended: Intended) -> "SigningOrder":
        return cls(issuer=intended.allocated.issuer, tbs=intended.allocated.tbs)


class Signed(BaseModel):
    """A certificate whose signature was verified and whose signed bytes are the ordered ones (B4).

    `chain` holds the issuing CA's certificate and its root's; `subject` is RFC 4514 text.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

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


State: TypeAlias = Intended | Recorded | Refused

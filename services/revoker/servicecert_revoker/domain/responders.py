"""Certificates of OCSP responders: requested, intended with their exact bytes, signed, published (D8, I4). Pure."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict
from servicecert_schemas.responder import ResponderEnvironment
from servicecert_worker.decider import Facts

CERTIFY = "certify"


class CertifyOrder(BaseModel):
    """The exact bytes that a CA's key is to sign for a responder's key: durable before the signature (I4)."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "tbs_sha256")

    environment: ResponderEnvironment
    key_sha256: str
    issuer: str
    serial: str
    not_after: datetime
    tbs: bytes

    @property
    def tbs_sha256(self) -> str:
        """The audit chain's record of the bytes to be signed (B6)."""
        return sha256(self.tbs).hexdigest()


class Certified(CertifyOrder):
    """A certificate with a verified signature over the ordered bytes."""

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "fingerprint")

    certificate: bytes
    issuer_certificate: bytes

    @property
    def fingerprint(self) -> str:
        return sha256(self.certificate).hexdigest()


@dataclass(frozen=True, slots=True)
class Drafted(Facts):
    """The orders of a valid request, one for each CA of its environment."""

    orders: tuple[CertifyOrder, ...]


@dataclass(frozen=True, slots=True)
class Rejected(Facts):
    """The reason why a request is not certified: one sentence for an operator."""

    text: str


ResponderFacts: TypeAlias = Drafted | Rejected

"""Certificates of OCSP responders: requested, intended with their exact bytes, signed, published (D8, I4). Pure.

A key is certified once. At most so many keys of an environment are certified in 24 hours; further requests are parked.
"""

from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from servicecert_schemas.responder import ResponderCertified, ResponderEnvironment, ResponderRequested
from servicecert_schemas.revocation import StandingsCount
from servicecert_schemas.values import Value
from servicecert_worker.core.decider import Decision, Event, Facts, Happened, Intent, Result, Unanswerable

from .knowledge import Knowledge

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
    """A certificate with a verified signature over the ordered bytes, and the count of its CA's standings."""

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "fingerprint")

    certificate: bytes
    issuer_certificate: bytes
    count: StandingsCount | None = None

    @property
    def fingerprint(self) -> str:
        return sha256(self.certificate).hexdigest()

    def event(self) -> ResponderCertified:
        """Return the event that brings the certificate to the responder."""
        return ResponderCertified(
            environment=self.environment,
            key_sha256=self.key_sha256,
            issuer=self.issuer,
            serial=self.serial,
            fingerprint=self.fingerprint,
            certificate=b64encode(self.certificate).decode(),
            issuer_certificate=b64encode(self.issuer_certificate).decode(),
            not_after=self.not_after,
            count=self.count,
        )


class Uncertified(Value):
    """The act refused to sign an order (F3): the `code` of SigningRefused; or its time was over, `expired`."""

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "code")

    issuer: str
    serial: str
    code: str


@dataclass(frozen=True, slots=True)
class Booked:
    """A certificate in the books: what is intended, and its end, a fingerprint or the code of a refusal."""

    issuer: str
    serial: str
    tbs_sha256: str
    not_after: datetime
    fingerprint: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A responder's key, with the certificates that are intended for it."""

    environment: ResponderEnvironment
    key_sha256: str
    certificates: tuple[Booked, ...]


@dataclass(frozen=True, slots=True)
class Drafted(Facts):
    """The orders of a valid request, one for each CA of its environment."""

    orders: tuple[CertifyOrder, ...]


def decide(key: EnrolledKey, happened: Happened, *_: object) -> Decision[EnrolledKey]:
    """Decide about a key that is enrolled: whatever else its responder asks for, it gets nothing more."""
    if isinstance(happened, Result) and isinstance(happened.data, Certified | Uncertified):
        return end(key, happened.data)
    return Decision(key)


def enrol(before: EnrolledKey | None, event: Event, known: Knowledge, _: datetime) -> Decision[EnrolledKey]:
    """Intend a certificate of each CA of the environment, unless something has the key. Raises Unanswerable."""
    if before is not None:
        return Decision(before)
    request, drafted = event.data, event.facts
    assert isinstance(request, ResponderRequested)
    assert isinstance(drafted, Drafted)
    if event.key in known.over_limit:
        raise Unanswerable("responder-limit", "More responders asked for certificates in 24 hours than are allowed.")
    books = tuple(Booked(it.issuer, it.serial, it.tbs_sha256, it.not_after) for it in drafted.orders)
    after = EnrolledKey(request.environment, request.key_sha256, books) if books else None
    return Decision(after, intents=tuple(Intent(CERTIFY, order) for order in drafted.orders))


def end(before: EnrolledKey, result: Certified | Uncertified) -> Decision[EnrolledKey]:
    """Record how a certificate that has no end yet ended, and bring it to the responder if it is signed.

    A responder that misses one draws another key.
    """
    fingerprint, refusal = (result.fingerprint, None) if isinstance(result, Certified) else (None, result.code)
    certificates = tuple(
        replace(it, fingerprint=fingerprint, refusal=refusal)
        if (it.issuer, it.serial, it.fingerprint, it.refusal) == (result.issuer, result.serial, None, None)
        else it
        for it in before.certificates
    )
    if certificates == before.certificates:
        return Decision(before)
    after = replace(before, certificates=certificates)
    return Decision(after, (result.event(),) if isinstance(result, Certified) else ())

"""Certificates of OCSP responders: requested by a responder, signed by the revoker (topic `ocsp-responders`, D8)."""

from enum import StrEnum
from typing import ClassVar

from .event import EventData
from .revocation import StandingsCount
from .values import Base64, Identifier, Instant, SerialNumber, Sha256


class ResponderEnvironment(StrEnum):
    """The environment of a responder's CAs: production and test share no key (I11).

    Closed: a key belongs to one of the two, and they share nothing (I11).
    """

    PRODUCTION = "production"
    TEST = "test"


class ResponderEvent(EventData):
    """An event about one key of a responder. `key_sha256` is of its SubjectPublicKeyInfo."""

    environment: ResponderEnvironment
    key_sha256: Sha256

    def key(self) -> str:
        return f"ocsp/{self.environment}/{self.key_sha256}"


class ResponderRequested(ResponderEvent):
    """A responder requests a certificate from each issuing CA of the environment. `request` is PKCS#10 in DER."""

    TYPE: ClassVar[str] = "servicecert.ocsp-responder.requested.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("environment", "key_sha256")

    request: Base64


class ResponderCertified(ResponderEvent):
    """An issuing CA certified a responder's key. `issuer_certificate` is the CA's own certificate. Both are DER.

    The `count` of the CA's standings at that time is for this responder: nobody can withhold it and bring the rest.
    """

    TYPE: ClassVar[str] = "servicecert.ocsp-responder.certified.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "key_sha256", "fingerprint")

    issuer: Identifier
    serial: SerialNumber
    fingerprint: Sha256
    certificate: Base64
    issuer_certificate: Base64
    not_after: Instant
    count: StandingsCount | None = None

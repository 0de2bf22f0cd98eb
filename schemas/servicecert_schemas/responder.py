"""Certificates of OCSP responders: requested by a responder, signed by the revoker (topic `ocsp-responders`, D8)."""

from enum import StrEnum
from typing import ClassVar

from .event import EventData
from .revocation import StandingsCount
from .values import Base64, CaId, Fingerprint, KeySha256, NotAfter, SerialNumber


class ResponderEnvironment(StrEnum):
    """The environment of a responder's CAs: production and test share no key (I11).

    Closed: a key belongs to one of the two, and they share nothing (I11).
    """

    PRODUCTION = "production"
    TEST = "test"


class ResponderEvent(EventData):
    """An event about one key of a responder."""

    environment: ResponderEnvironment
    key_sha256: KeySha256

    def key(self) -> str:
        return f"ocsp/{self.environment}/{self.key_sha256}"


class ResponderRequested(ResponderEvent):
    """Published when a responder needs a certificate from each issuing CA of its environment."""

    TYPE: ClassVar[str] = "servicecert.ocsp-responder.requested.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("environment", "key_sha256")

    request: Base64
    """The certificate request (PKCS#10 in DER)."""


class ResponderCertified(ResponderEvent):
    """Published when an issuing CA has certified a responder's key."""

    TYPE: ClassVar[str] = "servicecert.ocsp-responder.certified.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "key_sha256", "fingerprint")

    issuer: CaId
    serial: SerialNumber
    fingerprint: Fingerprint
    certificate: Base64
    """The responder's certificate in DER."""
    issuer_certificate: Base64
    """The CA's own certificate in DER."""
    not_after: NotAfter
    count: StandingsCount | None = None
    """How many standings of the CA there were then: nobody can withhold them and bring the rest (D8)."""

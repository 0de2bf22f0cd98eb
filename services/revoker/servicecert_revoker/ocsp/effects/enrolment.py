"""The keys of a responder and their certificates: drawn here, asked for on a topic, renewed at half of their time.

A key never leaves the process. Production and test have a key each (I11). While a new key waits to be certified the one before goes on.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import verify_signature
from servicecert_pki.ocsp_response import ResponderKey, Signer
from servicecert_pki.profile import Environment
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.responder import ResponderCertified, ResponderEnvironment, ResponderRequested

ASK_AGAIN = timedelta(seconds=30)
"""A request that nobody has answered is published again, under the same id, so that it has one effect."""

MISSING_AGAIN = timedelta(minutes=10)
"""How often a new key is drawn because a CA that issues has not certified the last one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is published: the id makes a repetition harmless."""

    id: UUID
    at: datetime
    data: ResponderRequested


@dataclass(slots=True)
class _Enrolled:
    """One environment's keys: the newest, and the one before it, which answers until the newest is certified."""

    keys: dict[str, ResponderKey] = field(default_factory=dict)
    asked: Asked | None = None
    published_at: datetime | None = None
    certified: set[str] = field(default_factory=set)
    renew_at: datetime | None = None


class NotOurs(ValueError):
    """A certificate that does not belong to its key or its CA; one sentence."""


class Enrolment:
    """What is to be asked for, and what came of it."""

    def __init__(self) -> None:
        self._of = {environment: _Enrolled() for environment in ResponderEnvironment}

    def due(self, now: datetime, wanted: Iterable[str]) -> list[Asked]:
        """The requests to be published now. `wanted` are the CAs that have issued something that has not expired."""
        wanted = set(wanted)
        return [asked for environment, of in self._of.items() if (asked := self._due(environment, of, now, wanted))]

    def _due(self, environment: ResponderEnvironment, of: _Enrolled, now: datetime, wanted: set[str]) -> Asked | None:
        if (
            of.asked is None
            or (of.renew_at is not None and now >= of.renew_at)
            or self._misses(environment, of, now, wanted)
        ):
            key = ResponderKey.draw()
            digest = spki_sha256(key.spki)
            request = b64encode(key.request()).decode()
            of.keys = {**dict(list(of.keys.items())[-1:]), digest: key}
            data = ResponderRequested(environment=environment, key_sha256=digest, request=request)
            of.asked, of.published_at, of.renew_at, of.certified = Asked(uuid4(), now, data), None, None, set()
        if of.certified or (of.published_at is not None and now < of.published_at + ASK_AGAIN):
            return None
        of.published_at = now
        return of.asked

    def _misses(self, environment: ResponderEnvironment, of: _Enrolled, now: datetime, wanted: set[str]) -> bool:
        """Whether a CA of the environment that is wanted has not certified the newest key for a long time: it is a new one."""
        assert of.asked is not None
        ours = {issuer for issuer in wanted if issuer.startswith("test-") is (environment is ResponderEnvironment.TEST)}
        return bool(of.certified) and not ours <= of.certified and now >= of.asked.at + MISSING_AGAIN

    def take(self, said: ResponderCertified, now: datetime) -> tuple[IssuerInfo, Signer] | None:
        """The signer that a certificate makes of one of this process's keys; None where it is another's. Raises NotOurs."""
        of = self._of[said.environment]
        key = of.keys.get(said.key_sha256)
        if key is None or said.not_after <= now:
            return None
        issuer, certificate = _issuer(said), b64decode(said.certificate)
        _check(certificate, key, issuer)
        if of.asked is not None and said.key_sha256 == of.asked.data.key_sha256:
            of.certified.add(said.issuer)
            half = of.asked.at + (said.not_after - of.asked.at) / 2
            of.renew_at = min(half, of.renew_at or half)
        return issuer, Signer(key, certificate, said.not_after.astimezone(UTC))


def _issuer(said: ResponderCertified) -> IssuerInfo:
    try:
        certificate = x509.load_der_x509_certificate(b64decode(said.issuer_certificate))
        # Of the root nothing is needed here.
        return IssuerInfo.of(said.issuer, Environment(said.environment.value), certificate, certificate)
    except ValueError:
        raise NotOurs(f"The certificate of {said.issuer} cannot be read.") from None


def _check(encoded: bytes, key: ResponderKey, issuer: IssuerInfo) -> None:
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        verify_signature(issuer.public_key, certificate.signature, certificate.tbs_certificate_bytes)
    except (ValueError, InvalidSignature):
        raise NotOurs(f"The responder's certificate is not signed by {issuer.id}.") from None
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if spki != key.spki or certificate.issuer.public_bytes() != issuer.subject_der:
        raise NotOurs(f"The responder's certificate of {issuer.id} is not of its key.")

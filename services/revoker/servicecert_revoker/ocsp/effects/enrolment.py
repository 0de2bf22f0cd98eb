"""A responder's keys and certificates: drawn here, certified on request by a topic, renewed at half of their time.

Keys never leave the process. Production and test have one each (I11). The old serves until the new is certified. The
CAs are those whose certificates the operator gave, whatever the topic says (F2).
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.issued import CertificateUntrusted, read_issued
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.ocsp_messages import ResponderKey, Signer
from servicecert_pki.profile import Environment
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.responder import ResponderCertified, ResponderEnvironment, ResponderRequested
from servicecert_worker.core.faults import OperatorError, Outage

ASK_AGAIN = timedelta(seconds=30)
"""An unanswered request is published again after this time, with the same id, so that it has one effect."""

DOUBTFUL_FIRST, DOUBTFUL_AGAIN = timedelta(minutes=1), timedelta(hours=1)
"""When a new key is drawn while the clock differs, at first and in the end: the answer tells the revoker's time.

A machine that was suspended has the right time again at once, and its steady clock has not.
"""

MISSING_AGAIN = timedelta(minutes=10)
"""When a new key is drawn first because an issuing CA has not certified the last one; then twice as late each time."""

UNANSWERED_AGAIN = timedelta(days=1)
"""When a new key is drawn because nobody certified the last one: the revoker certifies so many in a day."""

Pins: TypeAlias = Callable[[], Mapping[str, bytes]]
"""Returns the DER certificates of the CAs that the operator gave, by CA name."""


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A request as it is published. A repeat with the same id is harmless."""

    id: UUID
    at: datetime
    data: ResponderRequested


@dataclass(slots=True)
class _Enrolled:
    """One environment's keys: the newest, and the previous one, which serves until the newest is certified."""

    keys: dict[str, ResponderKey] = field(default_factory=dict)
    asked: KeyRequest | None = None
    published_at: datetime | None = None
    certified: set[str] = field(default_factory=set)
    renew_at: datetime | None = None
    doubtful_after: timedelta = DOUBTFUL_FIRST
    missing_after: timedelta = MISSING_AGAIN
    missed: set[str] = field(default_factory=set)


def pinned(folder: Path, setting: str = "SERVICECERT_OCSP_CA_CERTIFICATES") -> Mapping[str, bytes]:
    """Return the DER certificates in the files `<CA>.cer` and `<CA>.pem` of a folder, by CA name; `setting` names it.

    It is read at each use, so that a new CA needs no restart. Raises OperatorError.
    """
    try:
        files = [file for file in sorted(folder.iterdir()) if file.suffix in (".cer", ".pem")]
        return {file.stem: _certificate(file.read_bytes()) for file in files}
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "a file is no certificate"
        raise OperatorError(
            f"The CAs' certificates in {folder} cannot be read ({reason}): correct {setting}.", 78
        ) from None


def _certificate(content: bytes) -> bytes:
    load = x509.load_pem_x509_certificate if content.startswith(b"-----") else x509.load_der_x509_certificate
    return load(content).public_bytes(Encoding.DER)


class CertificateMismatch(ValueError):
    """A certificate that does not match its key or its CA. The message is one sentence."""


class Enrolment:
    """Makes the requests for certificates, and accepts the certificates.

    Without `pins` it trusts every CA that the topic names.
    """

    def __init__(self, pins: Pins | None = None) -> None:
        self._pins = pins
        self._given: Mapping[str, bytes] | None = None
        self._outage = Outage("The folder of SERVICECERT_OCSP_CA_CERTIFICATES")
        self._of = {environment: _Enrolled() for environment in ResponderEnvironment}

    def given(self) -> Mapping[str, bytes] | None:
        """Return the CAs that the operator gave, those of before while they cannot be read; None without `pins`.

        Raises OperatorError if they could never be read.
        """
        try:
            self._given = self._pins() if self._pins is not None else None
            self._outage.ended()
        except OperatorError as fault:
            if self._given is None:
                raise
            self._outage.began(fault)
        return self._given

    def due(self, now: datetime, issuers: Iterable[str], *, doubtful: bool = False) -> list[KeyRequest]:
        """Return the requests to be published now. `issuers` are the CAs with unexpired certificates.

        `doubtful` is the clock.
        """
        ids = set(issuers)
        for of in self._of.values():
            age = now - of.asked.at if of.asked is not None else timedelta()
            if doubtful and of.certified and age >= of.doubtful_after:
                of.renew_at, of.doubtful_after = now, min(4 * of.doubtful_after, DOUBTFUL_AGAIN)
            elif not doubtful and age >= DOUBTFUL_AGAIN:
                of.doubtful_after = DOUBTFUL_FIRST
        return [asked for environment, of in self._of.items() if (asked := self._due(environment, of, now, ids))]

    def _due(self, environment: ResponderEnvironment, of: _Enrolled, now: datetime, ids: set[str]) -> KeyRequest | None:
        if (
            of.asked is None
            or (of.renew_at is not None and now >= of.renew_at)
            or self._misses(environment, of, now, ids)
        ):
            key = ResponderKey.draw()
            digest = spki_sha256(key.spki)
            request = b64encode(key.request()).decode()
            of.keys = {**dict(list(of.keys.items())[-1:]), digest: key}
            data = ResponderRequested(environment=environment, key_sha256=digest, request=request)
            of.asked, of.published_at, of.renew_at, of.certified = KeyRequest(uuid4(), now, data), None, None, set()
        if of.certified or (of.published_at is not None and now < of.published_at + ASK_AGAIN):
            return None
        of.published_at = now
        return of.asked

    def _misses(self, environment: ResponderEnvironment, of: _Enrolled, now: datetime, ids: set[str]) -> bool:
        """Return whether the newest key has been uncertified for a long time: by a new CA, or at all."""
        assert of.asked is not None
        if not of.certified:
            return now >= of.asked.at + UNANSWERED_AGAIN
        ours = {it for it in ids if it.startswith("test-") is (environment is ResponderEnvironment.TEST)}
        missing = ours - of.certified
        if not missing <= of.missed:
            of.missing_after = MISSING_AGAIN
        of.missed = missing
        if (
            missing
            and now >= of.asked.at + of.missing_after
            and ((given := self.given()) is None or missing & given.keys())
        ):
            of.missing_after = min(2 * of.missing_after, UNANSWERED_AGAIN)
            return True
        return False

    def accept(self, event: ResponderCertified, now: datetime) -> tuple[IssuerInfo, Signer] | None:
        """Return the signer of one of this process's keys, None for another's. Raises CertificateMismatch."""
        of = self._of[event.environment]
        key = of.keys.get(event.key_sha256)
        if key is None or event.not_after <= now:
            return None
        if (given := self.given()) is not None:
            _check_pinned(event, given)
        issuer, certificate = _issuer(event), b64decode(event.certificate)
        _check(certificate, event.key_sha256, issuer)
        if of.asked is not None and event.key_sha256 == of.asked.data.key_sha256:
            of.certified.add(event.issuer)
            # No other ends later than its CA.
            if event.not_after < issuer.not_after:
                half = of.asked.at + (event.not_after - of.asked.at) / 2
                of.renew_at = min(half, of.renew_at or half)
        return issuer, Signer(key, certificate, event.not_after.astimezone(UTC))


def _check_pinned(event: ResponderCertified, pins: Mapping[str, bytes]) -> None:
    """Raise CertificateMismatch unless the operator gave exactly this certificate of the CA, for this environment."""
    if pins.get(event.issuer) != b64decode(event.issuer_certificate):
        raise CertificateMismatch(f"The operator gave no such certificate of {event.issuer}.")
    if event.issuer.startswith("test-") is not (event.environment is ResponderEnvironment.TEST):
        raise CertificateMismatch(f"{event.issuer} is no CA of {event.environment}.")


def _issuer(event: ResponderCertified) -> IssuerInfo:
    try:
        certificate = x509.load_der_x509_certificate(b64decode(event.issuer_certificate))
        # The root is not needed here.
        return IssuerInfo.of(event.issuer, Environment(event.environment.value), certificate, certificate)
    except ValueError:
        raise CertificateMismatch(f"The certificate of {event.issuer} cannot be read.") from None


def _check(certificate: bytes, key_sha256: str, issuer: IssuerInfo) -> None:
    try:
        _, read = read_issued(certificate, [issuer])
    except CertificateUntrusted:
        raise CertificateMismatch(f"The responder's certificate is not signed by {issuer.id}.") from None
    if read.key_sha256 != key_sha256:
        raise CertificateMismatch(f"The responder's certificate of {issuer.id} was not issued for its key.")

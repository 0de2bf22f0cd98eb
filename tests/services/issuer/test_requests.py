"""F2: the issuer checks again what intake checked of a certificate request, before a CA's key follows from it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_issuer.domain.decide import Decide
from servicecert_issuer.domain.examine import Examine, IssuingContext, request_faults
from servicecert_issuer.domain.issuance import Stopped
from servicecert_issuer.domain.unissuable import STOPPED_REQUEST, Unissuable
from servicecert_issuer.effects.accepted import RequestAlarm
from servicecert_schemas.certificate import ApplicationAccepted, IssuingStopped
from services.issuer.conftest import NOW, SIGN_BY

from pki import weak_keys

Accepted = Callable[..., ApplicationAccepted]


def request(key: Any, digest: Any) -> bytes:
    return (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest).public_bytes(Encoding.DER)
    )


def of_another(made: bytes) -> bytes:
    """Return the request with a signature of the right form that is not its own."""
    return made[:-8] + bytes(8)


SHORT_KEY = rsa.generate_private_key(65537, 1024)
BAD: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "a signature that is not its own": lambda good: (of_another(good), "request.csr-signature-invalid"),
    "a ROCA key": lambda _: (weak_keys.request(weak_keys.roca()), "request.key-roca"),
    "close primes": lambda _: (weak_keys.request(weak_keys.close_primes(10)), "request.key-close-primes"),
    "a small factor": lambda _: (weak_keys.request(weak_keys.small_factor()), "request.key-small-factor"),
    "a power": lambda _: (weak_keys.request(weak_keys.power()[0]), "request.key-power"),
    "an even modulus": lambda _: (weak_keys.request(weak_keys.shifted()), "request.key-small-factor"),
    "a short key": lambda _: (request(SHORT_KEY, hashes.SHA256()), "request.key-size"),
    "another exponent": lambda _: (weak_keys.request(weak_keys.strong(), 3), "request.key-exponent"),
    "SHA-1": lambda good: (good.replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")), ""),
    "octets behind it": lambda good: (good + b"\0", ""),
}


@pytest.fixture(scope="module")
def good() -> bytes:
    return request(rsa.generate_private_key(65537, 2048), hashes.SHA256())


def test_F2_a_request_is_accepted_as_der_only(good: bytes) -> None:
    pem = x509.load_der_x509_csr(good).public_bytes(Encoding.PEM)
    assert request_faults(good) == ()
    assert request_faults(pem) == ("request.not-der",)
    assert request_faults(request(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())) == ()


@pytest.mark.parametrize("what", BAD)
async def test_F2_an_invalid_request_that_intake_signed_stops_with_an_alarm(
    context: IssuingContext, accepted: Accepted, event: Any, caplog: pytest.LogCaptureFixture, good: bytes, what: str
) -> None:
    bad, code = BAD[what](good)
    alarm = RequestAlarm()
    examine = Examine(context, lambda count: bytes([1]) * count, lambda: NOW, alarm)
    (examined,) = examine([event(accepted(csr=b64encode(bad).decode()))])
    if isinstance(examined.facts, Unissuable):
        # The key cannot be read, so that no CA would be its.
        assert what == "octets behind it"
        assert examined.facts.code == "key"
    else:
        assert isinstance(examined.facts, Stopped)
        assert code in ("", *examined.facts.findings)
        decision = Decide(SIGN_BY - NOW)(None, examined, None, NOW)
        assert not decision.intents
        (published,) = decision.events
        assert isinstance(published, IssuingStopped)
        assert published.code == STOPPED_REQUEST.code == "stopped-request"
    assert sum(alarm.counts.values()) >= 1
    (logged,) = caplog.records
    assert logged.message.startswith("alarm: intake accepted an invalid certificate request")


async def test_F2_a_valid_request_raises_no_alarm(context: IssuingContext, accepted: Accepted, event: Any) -> None:
    alarm = RequestAlarm()
    examine = Examine(context, lambda count: bytes([1]) * count, lambda: NOW, alarm)
    for key in ("ec", "rsa"):
        (examined,) = examine([event(accepted(key=key))])
        assert request_faults(b64decode(accepted(key=key).csr)) == ()
        assert not isinstance(examined.facts, Stopped | Unissuable)
    assert alarm.counts == {}

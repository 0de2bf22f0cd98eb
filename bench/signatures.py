"""What it costs to sign and verify events, and to check a request and its key: processor time in one process."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.csr import judge_csr
from servicecert_pki.key_checks import KEY_CHECKS, weaknesses
from servicecert_revoker.ocsp.domain.standings import Standings
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.export import stored_examples
from servicecert_schemas.revocation import Standing, StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS
from servicecert_worker.core.record import Record as Fetched
from servicecert_worker.core.service_keys import make_keys, read_key, read_public_keys
from servicecert_worker.core.signatures import Signer, Verifier
from servicecert_worker.kafka.reading import change_of

from bench.results import keep
from bench.stand import processor_microseconds, scaled

CALLS, STANDINGS, BATTERY_KEYS = 3_000, 20_000, 60
BATTERY_LIMIT_MS = 1.0
NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEYS: dict[str, Callable[[], Any]] = {
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa4096": lambda: rsa.generate_private_key(65537, 4096),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


async def measure(share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "keys"
        make_keys(place, ["intake", "revoker"])
        verifier = Verifier(read_public_keys(place))
        intake, revoker = (Signer(each, read_key(place / f"{each}.key")) for each in ("intake", "revoker"))
    example = ApplicationAccepted.model_validate(stored_examples()[ApplicationAccepted.TYPE][0]["value"])
    accepted = _record(example, "/intake")
    signed, key, calls = intake.signed(accepted), Ed25519PrivateKey.generate(), scaled(CALLS, share)
    public, signature = key.public_key(), key.sign(accepted.value)
    bare = processor_microseconds(lambda: key.sign(accepted.value), calls)
    keep("sign-event", processor_microseconds(lambda: intake.signed(accepted), calls), "us", "bare Ed25519", bare)
    bare = processor_microseconds(lambda: public.verify(signature, accepted.value), calls)
    verify = partial(verifier.verify, signed.topic, signed.key, signed.headers, signed.value)
    keep("verify-event", processor_microseconds(verify, calls), "us", "bare Ed25519", bare)
    for name, make in KEYS.items():
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(make(), hashes.SHA384())
        encoded = request.public_bytes(Encoding.DER)
        bare = processor_microseconds(partial(_verified, encoded), calls // 5)
        check = processor_microseconds(partial(judge_csr, encoded, weaknesses), calls // 5)
        keep(f"check-request-{name}", check, "us", "signature", bare)
    battery = [KEYS["rsa2048"]().public_key() for _ in range(BATTERY_KEYS + 1)]
    milliseconds = processor_microseconds(lambda: KEY_CHECKS(battery.pop()), BATTERY_KEYS) / 1000
    keep("key-battery-rsa2048", milliseconds, "ms", "limit in the mean", BATTERY_LIMIT_MS)
    standings = [revoker.signed(_record(_standing(n), "/revoker")) for n in range(scaled(STANDINGS, share))]
    plain, checked = (_reading(standings, each) for each in (None, verifier))
    keep("standings-1000000", checked, "s of processor time", "without verifying", plain)


def _verified(request: bytes) -> bool:
    return x509.load_der_x509_csr(request).is_signature_valid


def _record(data: EventData, source: str) -> Record:
    return to_record(data, source=source, id=uuid4(), time=NOW)


def _standing(number: int) -> StandingChanged:
    return StandingChanged(issuer="test-ec", serial=f"4{number:031x}", standing=Standing.VALID, not_after=NOW)


def _reading(records: list[Record], verifier: Verifier | None) -> float:
    """Return the seconds of processor time to read a million standings, as a responder does."""
    standings, left = Standings(), iter([records[0], *records])

    def read() -> None:
        record = next(left)
        fetched = Fetched(record.topic, 0, 0, record.key, record.headers, record.value, NOW)
        change = change_of(CERTIFICATE_STANDINGS, fetched, verifier)
        assert change is not None
        assert isinstance(change.data, StandingChanged)
        standings.take(change.data, change.time)

    return processor_microseconds(read, len(records))

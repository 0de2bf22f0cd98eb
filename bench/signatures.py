"""What it costs to sign and verify events, and to check a request again (F2): in microseconds of processor time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.csr import judge_csr
from servicecert_pki.key_checks import weaknesses
from servicecert_revoker.ocsp.domain.standings import Standings
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.export import stored_examples
from servicecert_schemas.revocation import Standing, StandingChanged
from servicecert_worker.kafka.follower import change_of
from servicecert_worker.runtime.record import Record as Fetched
from servicecert_worker.service_keys import make_keys, read_key, read_public_keys
from servicecert_worker.signatures import Signer, Verifier

from bench.results import keep

STANDINGS = 20_000
NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEYS: dict[str, Callable[[], Any]] = {
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa4096": lambda: rsa.generate_private_key(65537, 4096),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


async def measure(share: float = 1.0) -> None:
    """Measure in this process alone; a `share` below 1 shortens it for a trial."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "keys"
        make_keys(place, ["intake", "revoker"])
        verifier = Verifier(read_public_keys(place))
        intake, revoker = (Signer(each, read_key(place / f"{each}.key")) for each in ("intake", "revoker"))
    accepted = _record(ApplicationAccepted.model_validate(stored_examples()[ApplicationAccepted.TYPE][0]["value"]))
    signed = intake.signed(accepted)
    count = max(10, int(3_000 * share))
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key(), key.sign(accepted.value)
    bare_sign = _microseconds(lambda: key.sign(accepted.value), count)
    bare_verify = _microseconds(lambda: public.verify(signature, accepted.value), count)
    sign = _microseconds(lambda: intake.signed(accepted), count)
    verify = _microseconds(lambda: verifier.verify(signed.topic, signed.key, signed.headers, signed.value), count)
    keep("sign-event", sign, "us", "bare Ed25519", bare_sign)
    keep("verify-event", verify, "us", "bare Ed25519", bare_verify)
    for name, make in KEYS.items():
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(make(), hashes.SHA384())
        encoded = request.public_bytes(Encoding.DER)
        alone = _microseconds(partial(_verified, encoded), count // 5)
        keep(
            f"check-request-{name}",
            _microseconds(partial(judge_csr, encoded, weaknesses), count // 5),
            "us",
            "signature",
            alone,
        )
    records = [_fetched(revoker.signed(_record(_standing(number)))) for number in range(int(STANDINGS * share))]
    plain, checked = _reading(records, None), _reading(records, verifier)
    keep("standings-1000000", checked * 1_000_000, "s of processor time", "without verifying", plain * 1_000_000)


def _verified(request: bytes) -> None:
    assert x509.load_der_x509_csr(request).is_signature_valid


def _record(data: EventData) -> Record:
    return to_record(data, source="/test", id=uuid4(), time=NOW)


def _standing(number: int) -> StandingChanged:
    return StandingChanged(issuer="test-ec", serial=f"{number:032x}", standing=Standing.VALID, not_after=NOW)


def _fetched(record: Record) -> Fetched:
    return Fetched(record.topic, 0, 0, record.key, record.headers, record.value, NOW)


def _reading(records: list[Fetched], verifier: Verifier | None) -> float:
    """Return the seconds of processor time to read a standing, as a responder does."""
    standings, started = Standings(), process_time()
    for record in records:
        change = change_of(record, verifier)
        assert change is not None
        assert isinstance(change.data, StandingChanged)
        standings.take(change.data, change.time)
    return (process_time() - started) / len(records)


def _microseconds(act: Callable[[], object], count: int) -> float:
    act()
    started = process_time()
    for _ in range(count):
        act()
    return (process_time() - started) / count * 1e6

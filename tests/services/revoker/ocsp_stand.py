"""A responder's parts put together without Kafka: keys that a real CA certified, standings that a test says."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import sign_tbs
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_messages import ResponderKey, Signer
from servicecert_pki.responder_certificate import build_responder_tbs
from servicecert_pki.serials import serial_hex
from servicecert_revoker.ocsp.domain.answering import Answering, Budget
from servicecert_revoker.ocsp.domain.standings import FullCrl, Standings
from servicecert_schemas.revocation import RevocationReason, Standing, StandingChanged

GOOD = 0x4A01
REVOKED = 0x4A02
NEVER_ISSUED = 0x4A03
UNLIMITED = Budget(1e9, 1e9)


def said(
    serial: int,
    standing: Standing = Standing.VALID,
    reason: RevocationReason | None = None,
    at: datetime | None = None,
    issuer: str = "test-ec",
) -> StandingChanged:
    return StandingChanged(
        issuer=issuer,
        serial=serial_hex(serial).lower(),
        standing=standing,
        reason=reason,
        revoked_at=at,
        not_after=datetime(2028, 11, 24, tzinfo=UTC),
    )


def revoked(serial: int, at: datetime, reason: RevocationReason = RevocationReason.NO_LONGER_NEEDED) -> StandingChanged:
    return said(serial, Standing.REVOKED, reason, at)


def request(issuer: IssuerInfo, serial: int, nonce: bytes | None = None, hash: Any = sha1) -> bytes:
    algorithm = hashes.SHA256() if hash is sha256 else hashes.SHA1()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        hash(issuer.subject_der).digest(), hash(issuer.key_bits).digest(), serial, algorithm
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def signer(issuer: IssuerInfo, ca_key: SigningKey, now: datetime, life: timedelta = timedelta(days=4)) -> Signer:
    key = ResponderKey.draw()
    tbs = build_responder_tbs(issuer, key.spki, 77, now - timedelta(minutes=10), now + life)
    return Signer(key, sign_tbs(tbs, ca_key), now + life)


def answering(
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    now: datetime,
    *,
    most_kept: int = 100,
    budget: Budget | None = None,
) -> Answering:
    """Answers for test-ec and test-rsa, where one certificate of test-ec is good and one revoked, as known `now`."""
    standings = Standings()
    made = Answering(standings, timedelta(hours=4), most_kept, budget or UNLIMITED)
    for issuer in (authority.issuer("test-ec"), authority.issuer("test-rsa")):
        made.certified(issuer, signer(issuer, ca_keys[issuer.id], now))
        standings.cas[issuer.id].crl = FullCrl(1, now + timedelta(days=3))
    for each in (said(GOOD), said(REVOKED), revoked(REVOKED, now - timedelta(hours=1))):
        standings.take(each, now)
    made.caught_up(now)
    return made

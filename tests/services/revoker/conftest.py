"""Issued certificates, requests for revocation, and a CA made once for the session."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import init_authority
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_pki.keys import SigningKey
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.status import Asked, Certificate, Registered, Revocation
from servicecert_schemas.certificate import CertificateIssued, Recipient, RecipientRole
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.decider import Event

CASE = UUID("7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01")
SERIAL = "4a00000000000000000000000000000b"
ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="session")
def passphrase_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("passphrases") / "passphrases"
    file.write_text("production=a production passphrase\ntest=a test passphrase\n")
    return file


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory, passphrase_file: Path) -> Authority:
    return init_authority(
        tmp_path_factory.mktemp("ca"),
        read_passphrases(passphrase_file),
        load_profiles(),
        datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.fixture(scope="session")
def ca_keys(authority: Authority, passphrase_file: Path) -> Mapping[str, SigningKey]:
    return open_keys(authority, read_passphrases(passphrase_file))


@pytest.fixture(scope="session")
def issued() -> CertificateIssued:
    """A certificate as the issuer tells of it; its bytes are of no interest here."""
    return CertificateIssued(
        case_id=CASE,
        account_id="account-1",
        decision_id=UUID("0b0b7c61-50a5-4f5d-a1a6-3d7e3f1b9b11"),
        type=CertificateType.TEST_SERVER,
        issuer="test-ec",
        serial=SERIAL,
        serial_decimal=str(int(SERIAL, 16)),
        subject="CN=kanta.example.fi,C=FI",
        not_before=ISSUED_AT,
        not_after=datetime(2028, 11, 24, 8, 59, 59, tzinfo=UTC),
        fingerprint="0" * 64,
        key_sha256="1" * 64,
        profile="test-server",
        profile_version=1,
        certificate=b64encode(b"der").decode(),
        chain=(),
        due=datetime(2026, 12, 1, 22, tzinfo=UTC),
        language=Language.FINNISH,
        recipients=(Recipient(role=RecipientRole.ORDERER, email="a@example.fi", name="A"),),
    )


@pytest.fixture(scope="session")
def certificate(issued: CertificateIssued) -> Certificate:
    return Certificate.of(issued, ISSUED_AT)


@pytest.fixture(scope="session")
def requested() -> Callable[..., RevocationRequested]:
    """A maker of right requests, with some of it changed; `account`, `assurance` and `role` are the actor's."""

    def make(
        account: str = "account-1", assurance: Assurance = Assurance.HIGH, role: Role = Role.COLLEAGUE, **changes: Any
    ) -> RevocationRequested:
        right = RevocationRequested(
            case_id=CASE,
            actor=Actor(user_id="user-1", account_id=account, assurance=assurance, role=role),
            request_id=uuid4(),
            serial_as_typed=SERIAL,
            reason=RevocationReason.NO_LONGER_NEEDED,
            sent_at=SENT_AT,
        )
        return right.model_copy(update=changes)

    return make


@pytest.fixture(scope="session")
def asked(requested: Callable[..., RevocationRequested]) -> Callable[..., Asked]:
    """A maker of requests with the time of their event."""

    def make(at: datetime = WRITTEN_AT, **changes: Any) -> Asked:
        return Asked(requested(**changes), at)

    return make


@pytest.fixture(scope="session")
def event() -> Callable[..., Event]:
    """A maker of events of a case."""

    def make(data: Any, time: datetime = WRITTEN_AT) -> Event:
        return Event(uuid4(), data.key(), data, time)

    return make


@pytest.fixture(scope="session")
def registered(certificate: Certificate) -> Registered:
    revocation = Revocation(
        request_id=UUID("11111111-2222-4333-8444-555555555555"),
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=SENT_AT,
        due=datetime(2026, 11, 25, 10, 0, tzinfo=UTC),
        revoked_at=NOW,
    )
    return Registered(certificate, revocation)

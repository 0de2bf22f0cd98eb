"""Accepted applications, and a CA made once for the session."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
from certificates import certified
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from databases import new_database
from identities import Identities
from servicecert_issuer.domain.examine import IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Intended, Linted
from servicecert_issuer.service import MIGRATIONS
from servicecert_launcher import Parts
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_pki.keys import SigningKey
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.certificate import (
    ApplicationAccepted,
    CertificateIssued,
    Recipient,
    RecipientRole,
    ServerNames,
    Subject,
)
from servicecert_schemas.values import CertificateType, Language, Usage
from servicecert_worker.core.decider import Event
from servicecert_worker.storage import database, schema
from services.handler import example

NOW = datetime(2026, 11, 24, 10, 30, 15, 250_000, tzinfo=UTC)
CASE = UUID("7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01")

Accepted = Callable[..., ApplicationAccepted]
SIGN_BY = NOW + timedelta(days=7)


@pytest.fixture(scope="session")
def passphrase_file(authority_of_2026: Path) -> Path:
    return authority_of_2026.with_name("ca.passphrases")


@pytest.fixture(scope="session")
def authority(authority_of_2026: Path) -> Authority:
    return Authority.load(authority_of_2026)


@pytest.fixture(scope="session")
def ca_keys(authority: Authority, passphrase_file: Path) -> Mapping[str, SigningKey]:
    return open_keys(authority, read_passphrases(passphrase_file))


@pytest.fixture(scope="session")
def service_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the services' public keys."""
    return Identities(tmp_path_factory.mktemp("pinned") / "service-keys").folder


@pytest.fixture(autouse=True)
def reading(monkeypatch: pytest.MonkeyPatch, service_keys: Path) -> None:
    """The settings of every service that acts on what it reads."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "none:1")
    monkeypatch.setenv("SERVICECERT_SERVICE_KEYS", str(service_keys))


@pytest.fixture(scope="session")
def context(authority: Authority) -> IssuingContext:
    return IssuingContext(authority, load_profiles(), "http://crl.example.fi", lint=lambda *_: (), partitions=16)


@pytest.fixture(scope="session")
def requests() -> Mapping[str, str]:
    """A request of each kind of key, in base64 of DER. Its subject is one that no certificate may repeat."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.STATE_OR_PROVINCE_NAME, "Some-State")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    made = {
        "ec": builder.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
        "rsa": builder.sign(rsa.generate_private_key(65537, 2048), hashes.SHA256()),
        "ed25519": builder.sign(ed25519.Ed25519PrivateKey.generate(), None),
    }
    return {kind: b64encode(request.public_bytes(Encoding.DER)).decode() for kind, request in made.items()}


@pytest.fixture(scope="session")
def accepted(requests: Mapping[str, str]) -> Accepted:
    """Return a factory of accepted applications, by type and kind of key, with changes."""

    def make(
        type: CertificateType = CertificateType.SERVER, key: str = "ec", case_id: UUID = CASE, **changes: Any
    ) -> ApplicationAccepted:
        name = "kanta.example.fi" if type.is_server else "Esimerkkijärjestelmä"
        sound = ApplicationAccepted(
            case_id=case_id,
            account_id="account-1",
            decision_id=UUID("0b0b7c61-50a5-4f5d-a1a6-3d7e3f1b9b11"),
            type=type,
            subject=Subject(
                organisation="Esimerkkiapteekki Oy",
                organisational_unit="Helsingin VI apteekki",
                business_id="0204819-8",
                common_name=name,
            ),
            names=ServerNames(dns=(name, "b.example.fi"), ip=("193.166.2.7",)) if type.is_server else ServerNames(),
            usages=(Usage.SERVER_AUTH, Usage.CLIENT_AUTH) if type.is_server else (),
            csr=requests[key],
            due=datetime(2026, 12, 1, 22, tzinfo=UTC),
            language=Language.SWEDISH,
            recipients=(Recipient(role=RecipientRole.ORDERER, email="a@example.fi", name="A"),),
        )
        return sound.model_copy(update=changes)

    return make


@pytest.fixture(scope="session")
def event() -> Callable[..., Event]:
    """Return a factory of events, with facts."""

    def make(data: Any, facts: Any = None) -> Event:
        return Event(uuid4(), data.key(), data, NOW, facts)

    return make


@pytest.fixture(scope="session")
def intend(context: IssuingContext, accepted: Accepted) -> Callable[..., Intended]:
    """Return a factory of intents, from an application and a serial number."""

    def make(
        application: ApplicationAccepted | None = None, serial: int = 0x4A01, sign_by: datetime = SIGN_BY
    ) -> Intended:
        application = application or accepted()
        facts = examine_application(context, application, serial, NOW)
        assert isinstance(facts, Linted)
        return Intended.of(facts, application, sign_by)

    return make


@pytest.fixture(scope="session")
def issuer_admin(parts: Parts) -> Iterator[str]:
    """A database for all the issuer's tests: its administrator's URL."""
    with new_database(parts, f"issuer_{uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture(scope="session")
def issuer_url(issuer_admin: str) -> str:
    """The issuer's tables: the URL of its role."""
    (url,) = schema.prepare(issuer_admin, {"issuer": database.new_password()}).values()
    schema.migrate(issuer_admin, "issuer", [MIGRATIONS])
    return url


@pytest.fixture
async def pool(issuer_admin: str, issuer_url: str) -> "AsyncIterator[asyncpg.Pool[Any]]":
    """The issuer's tables, empty except for the audit chains."""
    names = (
        "select string_agg('issuer.' || quote_ident(tablename), ', ') from pg_tables"
        " where schemaname = 'issuer' and tablename !~ 'yoyo|audit|lock_salt'"
    )
    with psycopg.connect(issuer_admin, autocommit=True) as admin:
        row = admin.execute(names).fetchone()
        assert row is not None
        admin.execute(f"truncate {row[0]} restart identity".encode())
    pool = await database.open_pool(issuer_url, "issuer")
    yield pool
    pool.terminate()


@pytest.fixture(scope="session")
def real(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> CertificateIssued:
    """An event with a certificate that a CA signed."""
    return certified(example(CertificateIssued), authority, ca_keys)

"""Issued certificates, requests for revocation, and a CA made once for the session."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from certificates import certified
from crls import build_crl
from databases import administrator_of
from identities import Identities
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.operations import proposing
from servicecert_cli.operations.operators import Credential, add_operator
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_pki.keys import KeyUnavailable, PublicKey, SigningKey
from servicecert_pki.partitions import FULL
from servicecert_pki.serials import serial_hex
from servicecert_pki.spki import KeyFamily
from servicecert_revoker.crl.crl_pass import CrlRunner
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.gauges import CrlStats
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address, Distribution
from servicecert_revoker.domain.certificates import Certificate, Void
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN, Knowledge, apply
from servicecert_revoker.domain.status import Asked, Entered, Listed, Registered, Revocation, Revoked
from servicecert_revoker.service import MIGRATIONS
from servicecert_revoker.serving.crl_server import serve
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.account import AccountMemberAdded, AccountOpened
from servicecert_schemas.certificate import CertificateIssued, Recipient, RecipientRole
from servicecert_schemas.event import Actor, Assurance, Change, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, OCSP_RESPONDERS
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.decider import Event, Stored, Task
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database
from services.revoker.bucket import Storage, storage
from services.revoker.ocsp_whole import Revoker
from services.revoker.stand import examined, verified

Pool: TypeAlias = "asyncpg.Pool[Any]"
Login: TypeAlias = "Callable[[str], Any]"
"""Opens connections by the operators' own logins."""
ServicePool: TypeAlias = "Callable[[str, Path], Awaitable[Pool]]"

CASE = UUID("7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01")
SERIAL = "4a00000000000000000000000000000b"
ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
NOW_EXACTLY = datetime(2026, 11, 24, 10, 2, 3, 450_000, tzinfo=UTC)


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
def sound(issued: CertificateIssued, authority: Authority, ca_keys: Mapping[str, SigningKey]) -> CertificateIssued:
    return certified(issued, authority, ca_keys)


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
        partition=5,
        certificate=b64encode(b"der").decode(),
        chain=(),
        due=datetime(2026, 12, 1, 22, tzinfo=UTC),
        language=Language.FINNISH,
        recipients=(Recipient(role=RecipientRole.ORDERER, email="a@example.fi", name="A"),),
    )


@pytest.fixture(scope="session")
def certificate(issued: CertificateIssued) -> Certificate:
    return verified(issued, ISSUED_AT).certificate


@pytest.fixture(scope="session")
def requested() -> Callable[..., RevocationRequested]:
    """A maker of right requests, with some of it changed; `account`, `assurance` and `role` are the actor's."""

    def make(
        account: str = "account-1",
        assurance: Assurance = Assurance.HIGH,
        role: Role = Role.COLLEAGUE,
        user: str = "user-1",
        **changes: Any,
    ) -> RevocationRequested:
        right = RevocationRequested(
            case_id=CASE,
            actor=Actor(user_id=user, account_id=account, assurance=assurance, role=role),
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

    def make(at: datetime = WRITTEN_AT, since: datetime = NOW, **changes: Any) -> Asked:
        return Asked(requested(**changes), at, since)

    return make


@pytest.fixture(scope="session")
def event() -> Callable[..., Event]:
    """A maker of events of a case."""

    def make(data: Any, time: datetime = WRITTEN_AT) -> Event:
        return examined(Event(uuid4(), data.key(), data, time))

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


@pytest.fixture(params=[Registered, Listed, Revoked])
def final(request: pytest.FixtureRequest, registered: Registered) -> Entered:
    kind: type[Entered] = request.param
    return kind(registered.certificate, registered.revocation)


@dataclass
class Clock:
    now: datetime = NOW_EXACTLY

    def __call__(self) -> datetime:
        return self.now


class Token:
    """A key that refuses, or whose arithmetic slips."""

    family = KeyFamily.EC

    def __init__(self, key: SigningKey, refuses: bool) -> None:
        self._key = key
        self._refuses = refuses

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        if self._refuses:
            raise KeyUnavailable("The token is not there; put it back.")
        return self._key.sign(*parts, b"a slip")


@pytest.fixture
async def pool(service_pool: ServicePool) -> Pool:
    return await service_pool("revoker", MIGRATIONS)


@pytest.fixture
def files(tmp_path: Path) -> CrlFiles:
    files = CrlFiles(tmp_path / "crls")
    files.prepare()
    return files


@pytest.fixture(scope="session")
def object_storage() -> Iterator[Storage]:
    with storage() as running:
        yield running


@pytest.fixture
def numbered(authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path) -> Callable[[int], Path]:
    """A maker of CRLs, as files, by their number."""

    def make(number: int) -> Path:
        made = tmp_path / f"made-{number}.crl"
        until = NOW + timedelta(hours=72)
        made.write_bytes(build_crl(ca_keys["test-ec"], authority.issuer("test-ec"), NOW, until, (), number))
        return made

    return make


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def publish(
    pool: Pool, files: CrlFiles, clock: Clock, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> AsyncIterator[Publish]:
    async with serve(files.folder, "127.0.0.1", 0) as base, aiohttp.ClientSession() as session:
        runner = CrlRunner(
            files=files,
            distribution=Distribution(base, (), Address(base, session)),
            partitions=3,
            interval=timedelta(hours=24),
            validity=timedelta(hours=72),
            pool=pool,
            clock=clock,
        )
        yield Publish(authority, ca_keys, runner, CrlStats())


@pytest.fixture
def register(pool: Pool, registered: Registered) -> Callable[..., Awaitable[Task]]:
    """Stores a revocation as a turn does, and gives the task that follows from it."""

    async def store(
        serial: int,
        issuer: str = "test-ec",
        not_after: datetime | None = None,
        partition: int = FULL,
        void: bool = False,
    ) -> Task:
        until = not_after or registered.certificate.not_after
        certificate = (
            Void(issuer, serial_hex(serial).lower(), until, partition)
            if void
            else replace(
                registered.certificate,
                issuer=issuer,
                serial=serial_hex(serial).lower(),
                partition=partition,
                not_after=until,
            )
        )
        status = replace(registered, certificate=certificate)
        key = str(uuid4())
        async with pool.acquire() as connection, connection.transaction():
            await RevocationStore().save(connection, [Stored(key, 0, status)])
        order = PublishOrder(
            issuer=issuer,
            partition=partition,
            serial=certificate.serial,
            request_id=status.revocation.request_id,
        )
        return Task(uuid4(), key, "publish", order, NOW)

    return store


@pytest.fixture(scope="session")
def token() -> Callable[..., SigningKey]:
    """A maker of keys that refuse, or whose arithmetic slips."""
    return Token


def member(
    user_id: str, role: Role = Role.COLLEAGUE, account: str = "account-1", case_id: UUID | None = None
) -> Change:
    """That a user was invited, an hour before the certificate was issued."""
    actor = Actor(user_id="opener", account_id=account, assurance=Assurance.HIGH, role=Role.COLLEAGUE)
    data = AccountMemberAdded(
        account_id=account, actor=actor, user_id=user_id, role=role, invited_by="opener", case_id=case_id
    )
    return Change(account, data, ISSUED_AT - timedelta(hours=1))


def opened(account: str = "account-1") -> Change:
    """An account that was opened two hours before the certificate was issued, by a user of its own."""
    actor = Actor(user_id="opener", account_id=account, assurance=Assurance.HIGH, role=Role.COLLEAGUE)
    data = AccountOpened(
        account_id=account, actor=actor, business_id="9900058-7", organisation_name="Onnelan VI apteekki"
    )
    return Change(account, data, ISSUED_AT - timedelta(hours=2))


@pytest.fixture(scope="session")
def known() -> Knowledge:
    """Two accounts, each with a colleague; the first with a technical contact of its case, too."""
    return apply(
        NOTHING_KNOWN,
        [
            opened(),
            opened("account-2"),
            member("user-1"),
            member("user-1", account="account-2"),
            member("contact-1", Role.TECHNICAL_CONTACT, case_id=CASE),
            member("partner-1", Role.TECHNICAL_PARTNER),
        ],
    )


FIRST_TWO = ("anna", "bertil")


async def admitted(urls: dict[str, str], name: str) -> str:
    """Let the first two operators make a login. Return its URL."""
    credential = Credential.new()
    proposer, confirmer = [await asyncpg.connect(urls[first]) for first in FIRST_TWO]
    made = await proposing.propose_operator(proposer, "operator-added", name, credential.verifier, "ticket 12")
    assert await proposing.confirm(confirmer, made.id)
    for connection in (proposer, confirmer):
        await connection.close()
    assert made.login is not None
    return database.url_of(urls["anna"], made.login, credential.password)


@pytest.fixture
async def admin_url(pool: Pool) -> str:
    """The administrator of the revoker's database."""
    return await administrator_of(pool)


@pytest.fixture
def login(admin_url: str) -> Login:
    """Connections by the operators' own logins."""
    urls: dict[str, str] = {}

    @asynccontextmanager
    async def as_operator(name: str):
        for first in FIRST_TWO if not urls else ():
            urls[first] = add_operator(admin_url, first)
        if name not in urls:
            urls[name] = await admitted(urls, name)
        connection = await asyncpg.connect(urls[name])
        try:
            yield connection
        finally:
            await connection.close()

    return as_operator


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities") / "service-keys")


@pytest.fixture
async def ocsp_cluster(parts: Any, identities: Identities, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster with the topics of responders, which trust the identities."""
    monkeypatch.setenv("SERVICECERT_SERVICE_KEYS", str(identities.folder))
    cluster = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-")
    await create_topics(cluster, (CERTIFICATE_STANDINGS, OCSP_RESPONDERS))
    return cluster


@pytest.fixture
async def revoker(
    ocsp_cluster: Cluster, identities: Identities, authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path
) -> AsyncIterator[Revoker]:
    """A revoker that answers responders, with an empty CRL of each CA."""
    folder = tmp_path / "served"
    folder.mkdir()
    async with serve(folder, "127.0.0.1", 0) as url:
        revoker = Revoker(ocsp_cluster, identities, authority, ca_keys, folder, url)
        for issuer in authority.issuers:
            revoker.publish_crl(issuer=issuer)
        running = asyncio.create_task(revoker.answer())
        yield revoker
        running.cancel()
        await asyncio.wait([running])

"""Example events, the notifier's mails for them, and mail servers with scripted answers."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from listening import listening
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.task import MailTask
from servicecert_notifier.operator.samples import NOW, example
from servicecert_notifier.service import MIGRATIONS, NAME
from servicecert_notifier.settings import Settings
from servicecert_notifier.smtp.effects.handover import Mailer
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued, Recipient
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Event, Task
from services.notifier.sample_mails import AUTHORITY


@pytest.fixture
async def pool(service_pool):
    """Connections to empty tables of the service."""
    return await service_pool(NAME, MIGRATIONS)


@pytest.fixture
async def connection(pool):
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def issued() -> CertificateIssued:
    return example(CertificateIssued)


@pytest.fixture
def returned() -> CaseChanged:
    return example(CaseChanged, "returned")


@pytest.fixture
def revoked() -> CertificateRevoked:
    return example(CertificateRevoked)


@pytest.fixture
def warned(returned: CaseChanged) -> DeadlineWarned:
    """Half of the time has passed in which the returned application must be completed."""
    since = returned.history[0].at
    return DeadlineWarned(
        case_id=returned.case_id,
        kind=DeadlineKind.COMPLETION,
        mark=DeadlineMark.HALF,
        since=since,
        until=since + timedelta(days=180),
    )


@pytest.fixture
def as_event() -> Callable[..., Event]:
    """Makes an event as the worker passes it to the decider; its id follows from its data."""

    def make(data: EventData, time: datetime = NOW) -> Event:
        return Event(uuid5(NAMESPACE_OID, data.model_dump_json()), data.key(), data, time)

    return make


@pytest.fixture
def planned(as_event: Callable[..., Event]) -> Callable[..., MailTask]:
    """The first mail that an event makes due_reminder."""

    def make(data: EventData, language: Language = Language.SWEDISH, **recipient: object) -> MailTask:
        in_language = data.model_copy(update={"language": language})
        task = decide(None, as_event(in_language), None, NOW).intents[0].data
        assert isinstance(task, MailTask)
        return task.model_copy(update={"recipient": Recipient(**(task.recipient.model_dump() | recipient))})

    return make


@pytest.fixture
def mails(planned: Callable[..., MailTask], issued: CertificateIssued) -> Callable[[int], list[Task]]:
    """Any number of tasks, each with a mail and an address of its own: `a0@example.fi`, `a1@example.fi`, …"""

    def make(count: int, tries: int = 0) -> list[Task]:
        tasks = []
        for number in range(count):
            mail = planned(issued, email=f"a{number}@example.fi")
            mail = mail.model_copy(
                update={"mail_id": uuid5(NAMESPACE_OID, str(number)), "give_up_at": NOW + timedelta(hours=1)}
            )
            tasks.append(Task(mail.mail_id, str(mail.case_id), "mail", mail, since=NOW, tries=tries))
        return tasks

    return make


@pytest.fixture
async def make_mailer() -> AsyncIterator[Callable[..., Mailer]]:
    """Makes mailers for a mail server, closed at the end. Their clock stands still."""
    made: list[Mailer] = []

    def make(port: int, at: datetime = NOW, **settings: Any) -> Mailer:
        server = {"smtp_host": "127.0.0.1", "smtp_port": port, "servicecert_authority_file": AUTHORITY}
        chosen: dict[str, Any] = server | {"smtp_tls": "off", "smtp_timeout_seconds": 5} | settings
        mailer = Mailer(Settings(**chosen), lambda: at)
        made.append(mailer)
        return mailer

    yield make
    for one in made:
        await one.close()


DIES = "dies"


@dataclass
class FakeServer:
    """A mail server's answers to recipients and contents in turn (then 250), and what it received."""

    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def handler(self) -> SimpleNamespace:
        async def handle_RCPT(server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
            self.recipients.append(address)
            answer = self.rcpt.pop(0) if self.rcpt else "250 2.1.5 Ok"
            if answer.startswith("250"):
                envelope.rcpt_tos.append(address)
            return answer

        async def handle_DATA(server: SMTP, session: Any, envelope: Any) -> str:
            self.contents.append(envelope.content)
            answer = self.data.pop(0) if self.data else "250 2.0.0 Ok"
            if answer == DIES:
                server.transport.abort()
            return answer

        return SimpleNamespace(handle_RCPT=handle_RCPT, handle_DATA=handle_DATA)


@pytest.fixture
def mail_server() -> Callable[..., Any]:
    """A real mail server (aiosmtpd): `async with mail_server(FakeServer(...)) as server: server.port`."""

    @asynccontextmanager
    async def serve(fake: FakeServer | None = None, port: int = 0, **smtp: Any) -> AsyncIterator[FakeServer]:
        fake = fake or FakeServer()
        loop = asyncio.get_running_loop()

        def conversation() -> SMTP:
            fake.connections += 1
            return SMTP(fake.handler(), hostname="test", loop=loop, **smtp)

        async with listening(conversation, port) as fake.port:
            yield fake

    return serve


@dataclass(frozen=True)
class ServerKey:
    """A TLS certificate for 127.0.0.1, signed by itself."""

    pem: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def make_server_key(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ServerKey]:
    """Makes a key with a certificate that is valid from and to so many days from now, for an IP address."""
    return partial(_server_key, tmp_path_factory)


@pytest.fixture(scope="session")
def server_key(make_server_key: Callable[..., ServerKey]) -> ServerKey:
    return make_server_key()


def _server_key(
    tmp_path_factory: pytest.TempPathFactory, since: int = -1, until: int = 1, ip: str = "127.0.0.1"
) -> ServerKey:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail server of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name,
            name,
            key.public_key(),
            x509.random_serial_number(),
            now + timedelta(days=since),
            now + timedelta(days=until),
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ip))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem, key_pem = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key_pem)
    return ServerKey(pem, context)


@pytest.fixture
def fake_server() -> type[FakeServer]:
    return FakeServer


@pytest.fixture
def reasons(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The logged reasons of deferred mails."""
    caplog.set_level(logging.INFO, "servicecert_notifier.smtp.effects.handover")
    return lambda: [record.reason for record in caplog.records if record.getMessage() == "Mail deferred"]

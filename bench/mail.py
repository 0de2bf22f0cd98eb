"""The notifier to the mail server: mails a second with a certificate's files, over TLS, compared with a bare client.

The sink is a separate process, measured in the same run by a client that speaks SMTP as the notifier does, with mails
written before. The difference is the processor time, on one thread, of writing and judging mails. In `mail-1` and
`mail-4` each certificate goes to three people (C1), who share its content, as in production. In `mail-4-apart` each
mail has its own certificate, the worst case. Memory is measured over 100,000 mails, with the server frozen for a while.

The aim of 0.70 is missed (docs/measurements.md, docs/decisions/mail-libraries.md).
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import psutil
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servicecert_notifier.domain.task import IssuedContent, MailState, MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import compose, mailbox
from servicecert_notifier.operator.samples import samples
from servicecert_notifier.settings import Settings
from servicecert_notifier.smtp.domain.answers import Envelope
from servicecert_notifier.smtp.effects.conversation import Conversation, open_conversation, tls_context
from servicecert_notifier.smtp.effects.handover import Mailer
from servicecert_schemas.values import Language
from servicecert_worker.decider import Done, Task
from servicecert_worker.process import logs

from bench.results import keep
from bench.stand import mail_sink

COUNT = 5_000
ROUNDS = 2
BATCH = 1
MEMORY_MAILS = 100_000
STALL_SECONDS = 10.0
MEMORY_LIMIT = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server that accepts everything."""

    port: int
    pid: int
    certificate: Path

    def settings(self) -> Settings:
        return Settings(
            smtp_host="127.0.0.1",
            smtp_port=self.port,
            smtp_ca_file=self.certificate,
            servicecert_mail_from="certificates@example.fi",
        )


async def measure() -> None:
    """Measure over one and over four connections, and the memory."""
    async with _serving() as server:
        for connections, readers in ((1, 3), (4, 3), (4, 1)):
            bare, ours = 0.0, 0.0
            for _ in range(ROUNDS):
                bare = max(bare, await _bare(server, connections))
                ours = max(ours, await _rate(server, connections, readers))
            name = f"mail-{connections}" if readers > 1 else f"mail-{connections}-apart"
            keep(name, ours, "per second", "a bare client", bare)
        before, after = await _memory(server)
        grown = max(0.1, after - before)
        keep("mail-memory", grown, "MB", f"limit of growth, from {before:.0f} MB", MEMORY_LIMIT)


def _tasks(count: int, readers: int = 1) -> list[Task]:
    """Return mails with a certificate; each certificate has its own case, and goes to `readers` people."""
    example = next(task for _, task in samples(Language.SWEDISH) if isinstance(task.content, IssuedContent))
    until = datetime.now(UTC) + timedelta(days=1)
    tasks = []
    content = example.content
    for number in range(count):
        if number % readers == 0:
            content = example.content.model_copy(update={"serial_decimal": str(number)})
        mail = example.model_copy(update={"mail_id": uuid4(), "content": content, "give_up_at": until})
        tasks.append(Task(mail.mail_id, str(mail.case_id), "mail", mail, since=until))
    return tasks


async def _rate(server: Server, connections: int, readers: int) -> float:
    """Return the mails a second that the notifier writes and hands over."""
    postman = Mailer(server.settings(), lambda: datetime.now(UTC))
    tasks = _tasks(COUNT, readers)
    await _deliver(postman, _tasks(connections), connections)
    started = perf_counter()
    await _deliver(postman, tasks, connections)
    seconds = perf_counter() - started
    await postman.close()
    return COUNT / seconds


async def _deliver(postman: Mailer, tasks: Sequence[Task], connections: int) -> None:
    """Hand all over as the worker does: one by one, over `connections` at the same time."""
    batches = iter([tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)])

    async def lane() -> None:
        for batch in batches:
            for outcome in await postman.deliver(batch):
                assert isinstance(outcome, Done)
                assert outcome.data.model_dump()["state"] is MailState.HANDED_OVER

    await asyncio.gather(*(lane() for _ in range(connections)))


async def _bare(server: Server, connections: int) -> float:
    """Return the mails a second that a client hands over whose bytes are ready."""
    settings = server.settings()
    mails = [_bytes(task.data, settings) for task in _tasks(200)]
    tls = tls_context(settings)
    conversations = [await open_conversation(settings.relays[0], settings, tls) for _ in range(connections)]
    left = iter(range(COUNT))

    async def lane(conversation: Conversation) -> None:
        for number in left:
            envelope, message = mails[number % len(mails)]
            assert (await conversation.hand_over(envelope, message)).reply.positive

    started = perf_counter()
    await asyncio.gather(*map(lane, conversations))
    seconds = perf_counter() - started
    await asyncio.gather(*(conversation.close() for conversation in conversations))
    return COUNT / seconds


def _bytes(mail: MailTask, settings: Settings) -> tuple[Envelope, bytes]:
    letter = write(mail, settings.contact)
    message = compose(letter, settings.sender, mail.recipient, mail.mail_id, mail.date, mail.language)
    return Envelope(settings.envelope_sender, mailbox(mail.recipient.email), str(mail.mail_id)), message


async def _memory(server: Server) -> tuple[float, float]:
    """Return the resident memory in MB after the first tenth of the mails and at the end; freeze the server between."""
    postman = Mailer(server.settings(), lambda: datetime.now(UTC))
    part = MEMORY_MAILS // 10
    await _deliver(postman, _tasks(part), 4)
    before = psutil.Process().memory_info().rss / 1e6
    for number in range(9):
        delivery = asyncio.create_task(_deliver(postman, _tasks(part), 4))
        if number == 3:
            os.kill(server.pid, signal.SIGSTOP)
            await asyncio.sleep(STALL_SECONDS)
            os.kill(server.pid, signal.SIGCONT)
        await delivery
    after = psutil.Process().memory_info().rss / 1e6
    await postman.close()
    return before, after


@asynccontextmanager
async def _serving() -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = _certificate(Path(folder))
        async with mail_sink("--certificate", str(certificate), "--key", str(key)) as (port, pid):
            yield Server(port, pid, certificate)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sink")])
    start = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), start, start + timedelta(days=2)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, private


def run() -> None:
    """Measure on the workers' event loop, with logs as in production: mails that are handed over are not logged."""
    logs.configure("notifier", "json", "info")
    uvloop.run(measure())


if __name__ == "__main__":
    run()

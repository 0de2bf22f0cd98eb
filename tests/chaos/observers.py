"""Observers of a run: a mail server, a server of CRLs, and a log of signatures. They keep little for each."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from asn1crypto.crl import CertificateList
from listening import HOST, listening
from servicecert_revoker.serving.admission import address
from servicecert_revoker.serving.crl_server import MEDIA_TYPES

SIGNATURE_HOOK = Path(__file__).with_name("signature_log")
PATIENCE_SECONDS = "2"
"""The notifier's SMTP timeout: shorter than most stalls."""


@dataclass(slots=True)
class Mail:
    """A received mail: how many times, and the SHA-256 of its certificate, if any.

    `texts` are the hashes of its texts by its From, which is another one for each release in a run of two.
    """

    times: int
    texts: dict[bytes, set[bytes]]
    certificate: str | None


class Failure(Enum):
    """A temporary failure of the mail server: it resets connections, does not answer, or rejects some recipients."""

    DEAD = auto()
    STALLED = auto()
    REFUSING = auto()


@dataclass(eq=False)
class MailServer:
    """Accepts every mail. The next `lose` answers are lost with their connection: the sender cannot know the result.

    `to_sender` and `to_recipient` are the answers to each sender and recipient, while they are set. `refused` counts
    temporarily rejected recipients. Each text is kept in `folder`, if any, with its mail's id in the name.
    """

    mails: dict[UUID, Mail] = field(default_factory=dict)
    to_sender: str | None = None
    to_recipient: str | None = None
    lose: int = 0
    lost: int = 0
    refused: int = 0
    folder: Path | None = None
    _until: dict[Failure, float] = field(default_factory=dict)

    def fail(self, what: Failure, seconds: float) -> None:
        """Fail in this way for that many seconds from now."""
        self._until[what] = time.monotonic() + seconds

    def _left(self, what: Failure) -> float:
        return self._until.get(what, 0.0) - time.monotonic()

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_sender:
            return self.to_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.to_recipient:
            return self.to_recipient
        if self._left(Failure.DEAD) > 0:
            server.transport.abort()
        await asyncio.sleep(max(0.0, self._left(Failure.STALLED)))
        if self._left(Failure.REFUSING) > 0 and random.random() < 0.5:
            self.refused += 1
            return random.choice(("450 4.2.0 Later", "451 4.7.1 Greylisted", "421 4.3.2 Going"))
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    def _conversation(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        mail_server = self

        class Conversation(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                if mail_server._left(Failure.DEAD) > 0:
                    transport.close()
                super().connection_made(transport)

        handler = SimpleNamespace(
            handle_MAIL=self.handle_MAIL, handle_RCPT=self.handle_RCPT, handle_DATA=self.handle_DATA
        )
        return Conversation(handler, hostname="catcher", loop=loop)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = bytes(envelope.content or b"")
        (message_id,) = re.findall(rb"^Message-ID: <([0-9a-f-]{36})@", content, re.MULTILINE)
        mail = self.mails.setdefault(UUID(message_id.decode()), Mail(0, {}, _certificate(content)))
        mail.times += 1
        text, (sender,) = sha256(content), re.findall(rb"^From: (?:.|\r?\n[ \t])+", content, re.MULTILINE)
        mail.texts.setdefault(sender, set()).add(text.digest())
        if self.folder is not None:
            (self.folder / f"{message_id.decode()}-{text.hexdigest()[:8]}.eml").write_bytes(content)
        try:
            await asyncio.sleep(max(0.0, self._left(Failure.STALLED)))
        except asyncio.CancelledError:
            # The notifier did not wait so long.
            self.lost += 1
            raise
        if self.lose or self._left(Failure.DEAD) > 0:
            self.lose = max(0, self.lose - 1)
            self.lost += 1
            server.transport.abort()
        return "250 2.0.0 Taken"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, str]]:
        """Run the server; yields the environment that points the notifier here."""
        loop = asyncio.get_running_loop()
        async with listening(lambda: self._conversation(loop)) as port:
            yield {
                "SMTP_HOST": HOST,
                "SMTP_PORT": str(port),
                "SMTP_TIMEOUT_SECONDS": PATIENCE_SECONDS,
                "SMTP_END_TIMEOUT_SECONDS": PATIENCE_SECONDS,
            }


def _certificate(content: bytes) -> str | None:
    for part in message_from_bytes(content).walk():
        if (part.get_filename() or "").endswith(".der"):
            whole = part.get_payload(decode=True)
            assert isinstance(whole, bytes)
            return sha256(whole).hexdigest()
    return None


@dataclass(eq=False)
class CrlArchive:
    """Serves the folder of CRLs and records the serial numbers on each fetched CRL, by name and number."""

    folder: Path
    fetched: dict[tuple[str, int], frozenset[int]] = field(default_factory=dict)
    order: list[tuple[str, int]] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Run the server; yields its address."""
        served = web.Application()
        served.router.add_get("/{name}", self._get)
        runner = web.AppRunner(served, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            yield address(*runner.addresses[0][:2])
        finally:
            await runner.cleanup()

    async def _get(self, request: web.Request) -> web.Response:
        path = self.folder / request.match_info["name"]
        if not path.is_file():
            raise web.HTTPNotFound
        content = path.read_bytes()
        if path.suffix == ".crl":
            self._record(path.stem, content)
        return web.Response(body=content, content_type=MEDIA_TYPES[path.suffix])

    def _record(self, crl: str, content: bytes) -> None:
        number, serials = read_crl(content)
        self.order.append((crl, number))
        self.fetched.setdefault((crl, number), serials)


def read_crl(content: bytes) -> tuple[int, frozenset[int]]:
    """Return a CRL's number and serial numbers, decoded by another library than the one that encodes it."""
    crl: Any = CertificateList.load(content)
    entries = crl["tbs_cert_list"]["revoked_certificates"]
    return crl.crl_number_value.native, frozenset(entry["user_certificate"].native for entry in entries)


@dataclass(frozen=True, slots=True)
class Signature:
    """A logged signature: SHA-256 of its key and of the signed bytes, and the last of these bytes."""

    key: str
    signed: str
    tail: bytes

    @property
    def crl_number(self) -> int | None:
        """The CRL number at the end of a TBSCertList: an OCTET STRING with an INTEGER. None for a certificate."""
        for size in range(1, 21):
            if self.tail[-size - 4 : -size] == bytes((4, size + 2, 2, size)):
                return int.from_bytes(self.tail[-size:])
        return None


def signatures(log: Path) -> set[Signature]:
    """Return all signatures of a log."""
    if not log.exists():
        return set()
    lines = (line.split() for line in log.read_text().splitlines())
    return {Signature(key, signed, bytes.fromhex(tail)) for key, signed, tail in lines}

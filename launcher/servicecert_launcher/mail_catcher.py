"""A mail server that stores all mails and delivers none, for the demo, `up` and tests.

async with MailCatcher(Path("var/mail")) as catcher:
    print(catcher.host, catcher.port)
"""

import asyncio
import re
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

from aiosmtpd.smtp import SMTP, Envelope

from .ports import HOST, end

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A received mail, dot-stuffing undone. `path` is None without a folder."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    path: Path | None


class MailCatcher:
    """Listens on a free port of the loopback address, in the running event loop.

    With a folder each mail is written to `<number>-<message id>.eml`, readable by this user alone, before it is
    accepted; `mails` holds all in the order of acceptance. A new catcher continues the numbers of its folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.host = HOST
        self.port = 0
        self.mails: list[CaughtMail] = []
        self._folder = folder
        self._number = 0
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.Transport] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._number = max(
                (int(path.name.partition("-")[0]) for path in self._folder.glob("[0-9]*-*.eml")), default=0
            )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_session, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await end(self._server, self._transports)

    async def wait_for(self, count: int) -> list[CaughtMail]:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    async def _keep(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self._number += 1
        path, recipients = self._write(self._number, content), tuple(envelope.rcpt_tos)
        self.mails.append(CaughtMail(envelope.mail_from or "", recipients, content, path))
        async with self._changed:
            self._changed.notify_all()
        return f"250 2.0.0 Kept as number {self._number}"

    def _write(self, number: int, content: bytes) -> Path | None:
        if self._folder is None:
            return None
        message_id = str(message_from_bytes(content)["Message-ID"] or "").strip("<> ")
        path = self._folder / f"{number:04}-{_UNSAFE.sub('_', message_id)[:120] or 'without-id'}.eml"
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    def _new_session(self) -> SMTP:
        return _Session(SimpleNamespace(handle_DATA=self._keep), self._transports)


class _Session(SMTP):
    """An SMTP session whose connection ends with its server."""

    def __init__(self, handler: SimpleNamespace, transports: set[asyncio.Transport]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(handler, hostname="mail-catcher", ident="mail catcher", loop=loop)
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = cast(asyncio.Transport, transport)
        self._transports.add(self._connection)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transports.discard(self._connection)
        super().connection_lost(error)

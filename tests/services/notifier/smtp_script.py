"""A mail server on a socket that does as it is told, also what no mail server should."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from servicecert_notifier.domain.task import MailState

DIES = "dies"
STALLS = "stalls"

Answer = str | Callable[[str], str]


def states(outcomes: Sequence[Any]) -> list[MailState]:
    """What became of mails, in their order."""
    return [outcome.data.state for outcome in outcomes]


async def listening(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> tuple[asyncio.Server, int]:
    """A server of this conduct, and its port."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@dataclass
class Script:
    """What it answers to each verb, as a text or a function of the line; to a mail's content as to END. What is not told is accepted.

    `DIES` closes the connection, `STALLS` says nothing for as long as the client waits.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    offers: tuple[str, ...] = ("PIPELINING",)
    greeting: str = "220 script"
    lines: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Script]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            writer.write(f"{self.greeting}\r\n".encode())
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refused = False
        while line := (await reader.readline()).decode():
            self.lines.append(line.rstrip())
            verb = line[:4].strip().upper()
            said = self._said(verb, line)
            if verb in ("MAIL", "RCPT"):
                refused = (refused and verb == "RCPT") or not said.startswith("250")
            if verb == "DATA" and refused and said.startswith("354"):
                said = "503 5.5.1 No"
            if not await self._say(said, reader, writer) or verb == "QUIT":
                return
            if verb == "DATA" and said.startswith("354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                self.contents.append(content)
                ended = self._said("END", line)
                if ended == DIES or ended.startswith("250"):
                    self.accepted.append(content)
                if not await self._say(ended, reader, writer):
                    return

    async def _say(self, said: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if said == STALLS:
            await reader.read()
        if said in (DIES, STALLS):
            return False
        writer.write(f"{said}\r\n".encode())
        return True

    def _said(self, verb: str, line: str) -> str:
        usual = {
            "EHLO": "\r\n".join(("250-script", *(f"250-{each}" for each in self.offers), "250 8BITMIME")),
            "DATA": "354 Go",
            "QUIT": "221 Bye",
        }
        said = self.answers.get(verb, usual.get(verb, "250 2.0.0 Ok"))
        return said if isinstance(said, str) else said(line)

"""A scripted mail server on a socket, which can also misbehave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from listening import talking
from servicecert_notifier.domain.task import MailState

DIES = "dies"
STALLS = "stalls"

Answer = str | Callable[[str], str]


def states(outcomes: Sequence[Any]) -> list[MailState]:
    """The states of outcomes, in order."""
    return [outcome.data.state for outcome in outcomes]


@dataclass
class Script:
    """The answers to each verb, as text or a function of the line; END is a mail's content. Other verbs are accepted.

    `DIES` closes the connection, `STALLS` does not answer.
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
        async with talking(self._talk, tls) as self.port:
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
            reply = self._reply_to(verb, line)
            if verb in ("MAIL", "RCPT"):
                refused = (refused and verb == "RCPT") or not reply.startswith("250")
            if verb == "DATA" and refused and reply.startswith("354"):
                reply = "503 5.5.1 No"
            if not await self._send(reply, reader, writer) or verb == "QUIT":
                return
            if verb == "DATA" and reply.startswith("354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                self.contents.append(content)
                ended = self._reply_to("END", line)
                if ended == DIES or ended.startswith("250"):
                    self.accepted.append(content)
                if not await self._send(ended, reader, writer):
                    return

    async def _send(self, reply: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if reply == STALLS:
            await reader.read()
        if reply in (DIES, STALLS):
            return False
        writer.write(f"{reply}\r\n".encode())
        return True

    def _reply_to(self, verb: str, line: str) -> str:
        usual = {
            "EHLO": "\r\n".join(("250-script", *(f"250-{each}" for each in self.offers), "250 8BITMIME")),
            "DATA": "354 Go",
            "QUIT": "221 Bye",
        }
        reply = self.answers.get(verb, usual.get(verb, "250 2.0.0 Ok"))
        return reply if isinstance(reply, str) else reply(line)

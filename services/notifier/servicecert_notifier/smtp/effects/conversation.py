"""One conversation with a mail server, kept open for many mails (RFC 5321).

Handing over a mail is our own, because a library's call for each command costs several times the CPU: MAIL, RCPT and DATA go out in one write where the
server offers PIPELINING (RFC 2920). The conversation is opened by a library (see `opening`).
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto

from ..domain.relays import Relay

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")
START_CONTENT = 354
NOT_SMTP = "What answers at SMTP_HOST and SMTP_PORT does not speak SMTP: are they right?"
_MAX_REPLY = 65_536
_FAREWELL_SECONDS = 1.0


class ConversationFailed(Exception):
    """The conversation cannot be opened, or broke off. The text is a sentence for an operator, without personal data."""


class LoginRefused(ConversationFailed):
    """The mail server does not accept our login. Who tries again at once, and for each mail, has the account locked."""


class NoAnswer(ConversationFailed):
    """The mail server is silent. To try the next mail at once would only wait as long again."""


class Step(Enum):
    """What a reply answers."""

    SENDER = auto()
    RECIPIENT = auto()
    CONTENT = auto()


_MOST_REPLIES = len(Step)
"""Replies that can be due at once: one to each command of those that go out in one write."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to one command: its code, and the enhanced status code if it has one (RFC 3463). The server's words are dropped here."""

    code: int
    enhanced: str = ""

    @staticmethod
    def read(line: bytes) -> "Reply":
        """Reads the last line of a reply. Raises `ValueError` where it is none."""
        if not line[:3].isdigit() or not b"2" <= line[:1] <= b"5" or line[3:4].strip():
            raise ValueError("is no reply of SMTP")
        enhanced = _ENHANCED.match(line[4:].decode("latin-1"))
        return Reply(int(line[:3]), enhanced[0] if enhanced else "")

    @property
    def positive(self) -> bool:
        """Whether the command succeeded (RFC 5321 section 4.2.1)."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".rstrip()


@dataclass(frozen=True, slots=True)
class Answer:
    """How the server answered a mail: the reply that ended the transaction, for better or worse."""

    step: Step
    reply: Reply


@dataclass(frozen=True, slots=True)
class Offers:
    """What a server said to EHLO that it can do."""

    pipelining: bool = False
    size: bool = False
    dsn: bool = False
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is told beside a mail: `id` comes back with a bounce (RFC 3461). An address may have a local part that is not ASCII (RFC 6531)."""

    sender: str
    recipient: str
    id: str

    def commands(self, size: int, offers: Offers) -> tuple[bytes, bytes, bytes]:
        """MAIL, RCPT and DATA, with the parameters that the server offers. The sender is ASCII."""
        mail, rcpt = f"MAIL FROM:<{self.sender}>", f"RCPT TO:<{self.recipient}>"
        if offers.size:
            mail += f" SIZE={size}"
        if not self.recipient.isascii():
            mail += " SMTPUTF8 BODY=8BITMIME"
        if offers.dsn:
            mail += f" RET=HDRS ENVID={self.id}"
            rcpt += " NOTIFY=FAILURE"
        return f"{mail}\r\n".encode(), f"{rcpt}\r\n".encode(), b"DATA\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a server may take for an answer, and for the one to a whole mail (RFC 5321 section 4.5.3.2)."""

    answer: float
    end: float


class Conversation(asyncio.Protocol):
    """A conversation past its opening. Used for one mail at a time."""

    def __init__(self, relay: Relay, transport: asyncio.Transport, offers: Offers, patience: Patience) -> None:
        self.relay = relay
        self.offers = offers
        self._transport = transport
        self._patience = patience
        self._buffer = bytearray()
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._broken: str | None = None
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether a mail can be tried: a server that said good-bye in a pause has closed, or left a reply that nobody asked for."""
        return self._broken is None and not self._replies and not self._transport.is_closing()

    async def hand_over(
        self, envelope: Envelope, message: bytes, meanwhile: Callable[[], None] | None = None
    ) -> Answer:
        """Hands over one mail. Raises `ConversationFailed`; then it is unknown whether the server has the mail, and the conversation is over.

        `meanwhile` is called while the server is busy with the content.
        """
        opening = envelope.commands(len(message), self.offers)
        if self.offers.pipelining:
            self._transport.write(b"".join(opening))
        refusal: Answer | None = None
        async with self._waiting(self._patience.answer):
            for step, command in zip(Step, opening, strict=True):
                if not self.offers.pipelining:
                    self._transport.write(command)
                reply = await self._reply()
                refusal = refusal or (None if reply.positive or reply.code == START_CONTENT else Answer(step, reply))
                if refusal and not self.offers.pipelining:
                    break
        if reply.code == START_CONTENT:
            # A server may ask for the content though it took no recipient: then an empty one is due (RFC 2920 section 3.1).
            self._transport.write(_stuffed(message) if refusal is None else b".\r\n")
            async with self._waiting(self._patience.end):
                if meanwhile is not None:
                    # The loop sends what is written before it goes on here.
                    await asyncio.sleep(0)
                    meanwhile()
                ended = Answer(Step.CONTENT, await self._reply())
            return refusal or ended
        if refusal is None:
            self.abort()
            raise ConversationFailed(
                f"The mail server answered {reply} where it should have asked for the mail's content."
            )
        self._transport.write(b"RSET\r\n")
        async with self._waiting(self._patience.answer):
            await self._reply()
        return refusal

    @asynccontextmanager
    async def _waiting(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            self.abort()
            raise NoAnswer(f"The mail server did not answer within {seconds:g} s.") from None

    async def _reply(self) -> Reply:
        while not self._replies:
            if self._broken is not None:
                raise ConversationFailed(self._broken)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        reply = self._replies.popleft()
        if reply.code == 421:
            self.abort()
            raise ConversationFailed("The mail server answered 421 and ended the conversation.")
        return reply

    async def close(self) -> None:
        """Says good-bye, and does not wait long for the answer."""
        if self.usable:
            self._transport.write(b"QUIT\r\n")
            try:
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self._reply()
            except (TimeoutError, ConversationFailed):
                pass
        self._transport.close()

    def abort(self) -> None:
        """Ends the conversation at once."""
        self._end("The conversation with the mail server was ended.")
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[: end + 1]).rstrip()
            del self._buffer[: end + 1]
            if line[3:4] != b"-":
                self._take(line)
            if len(self._replies) > _MOST_REPLIES:
                # Who is not stopped here fills the memory of a conversation that nobody reads.
                self._buffer.clear()
                self._end("The mail server answered more than it was asked.")
                self._transport.abort()
        if len(self._buffer) > _MAX_REPLY:
            self.abort()
        self._wake()

    def _take(self, line: bytes) -> None:
        try:
            self._replies.append(Reply.read(line))
        except ValueError:
            self._end(NOT_SMTP)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        how = "ended" if exc is None else f"broke off ({type(exc).__name__})"
        self._end(f"The mail server {how} the conversation.")

    def _end(self, why: str) -> None:
        self._broken = self._broken or why
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _stuffed(message: bytes) -> bytes:
    """The content as DATA carries it: leading dots doubled, a lone dot behind (RFC 5321 section 4.5.2). `message` has CRLF line ends."""
    dotted = message.replace(b"\r\n.", b"\r\n..")
    return b"%b%b.\r\n" % (b"." if dotted.startswith(b".") else b"", dotted)

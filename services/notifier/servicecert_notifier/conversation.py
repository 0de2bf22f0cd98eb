"""One conversation with the mail server, kept open for many mails (RFC 5321).

aiosmtplib opens it: greeting, EHLO, STARTTLS, AUTH. Handing over a mail is our own, because a library's call for each command costs several times
the CPU: MAIL, RCPT and DATA go out in one write where the server offers PIPELINING (RFC 2920).
"""

import asyncio
import re
import ssl
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException, SMTPTimeoutError

from .settings import Settings, StartTls

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")
START_CONTENT = 354
NOT_SMTP = "What answers at SMTP_HOST and SMTP_PORT does not speak SMTP: are they right?"
_MAX_REPLY = 65_536
_FAREWELL_SECONDS = 1.0


class ConversationFailed(Exception):
    """The conversation cannot be opened, or broke off. The text is a sentence for an operator, without personal data."""


class NoAnswer(ConversationFailed):
    """The mail server is silent. To try the next mail at once would only wait as long again."""


class Step(Enum):
    """What a reply answers."""

    SENDER = auto()
    RECIPIENT = auto()
    CONTENT = auto()


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


class Conversation(asyncio.Protocol):
    """A conversation past its opening. Used for one mail at a time."""

    def __init__(self, transport: asyncio.Transport, pipelining: bool, timeout: float) -> None:
        self._transport = transport
        self._pipelining = pipelining
        self._timeout = timeout
        self._buffer = bytearray()
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._broken: str | None = None
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether a mail can be tried: a server that said good-bye in a pause has closed, or left a reply that nobody asked for."""
        return self._broken is None and not self._replies and not self._transport.is_closing()

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> Answer:
        """Hands over one mail. Raises `ConversationFailed`; then it is unknown whether the server has the mail, and the conversation is over."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._transact(sender, recipient, message)
        except TimeoutError:
            self.abort()
            raise NoAnswer(f"The mail server did not answer within {self._timeout:g} s.") from None

    async def _transact(self, sender: str, recipient: str, message: bytes) -> Answer:
        opening = (
            f"MAIL FROM:<{sender}>\r\n".encode("ascii"),
            f"RCPT TO:<{recipient}>\r\n".encode("ascii"),
            b"DATA\r\n",
        )
        if self._pipelining:
            self._transport.write(b"".join(opening))
        refusal: Answer | None = None
        for step, command in zip(Step, opening, strict=True):
            if not self._pipelining:
                self._transport.write(command)
            reply = await self._reply()
            refusal = refusal or (None if reply.positive or reply.code == START_CONTENT else Answer(step, reply))
            if refusal and not self._pipelining:
                break
        if reply.code == START_CONTENT:
            # A server may ask for the content though it took no recipient: then an empty one is due (RFC 2920 section 3.1).
            self._transport.write(_stuffed(message) if refusal is None else b".\r\n")
            ended = Answer(Step.CONTENT, await self._reply())
            return refusal or ended
        if refusal is None:
            self.abort()
            raise ConversationFailed(
                f"The mail server answered {reply} where it should have asked for the mail's content."
            )
        self._transport.write(b"RSET\r\n")
        await self._reply()
        return refusal

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


async def open_conversation(settings: Settings, tls: ssl.SSLContext) -> Conversation:
    """Opens a conversation as the settings ask. Raises `ConversationFailed`."""
    where = f"the mail server at {settings.smtp_host}:{settings.smtp_port}"
    client = SMTP(
        hostname=settings.smtp_host, port=settings.smtp_port, timeout=settings.smtp_timeout_seconds, start_tls=False
    )
    try:
        await client.connect()
        await client.ehlo()
        if settings.smtp_starttls is not StartTls.OFF:
            await _encrypt(client, settings.smtp_starttls, tls, where)
        if settings.smtp_username is not None:
            await client.login(settings.smtp_username, settings.password() or "")
    except (SMTPException, OSError, ValueError) as fault:
        client.close()
        raise ConversationFailed(_sentence(fault, where)) from None
    except BaseException:
        client.close()
        raise
    transport = cast(asyncio.Transport, client.transport)
    return Conversation(transport, client.supports_extension("pipelining"), settings.smtp_timeout_seconds)


async def _encrypt(client: SMTP, wanted: StartTls, tls: ssl.SSLContext, where: str) -> None:
    if client.supports_extension("starttls"):
        await client.starttls(tls_context=tls)
        await client.ehlo()
    elif wanted is StartTls.REQUIRED:
        raise ConversationFailed(
            f"STARTTLS is required and {where} does not offer it: turn it on there, or set SMTP_STARTTLS=off where the network is trusted."
        )


def tls_context(settings: Settings) -> ssl.SSLContext:
    """What certificates of a mail server are accepted: verified ones where STARTTLS is required, any where it is opportunistic."""
    context = ssl.create_default_context(cafile=settings.smtp_ca_file)
    if settings.smtp_starttls is not StartTls.REQUIRED:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _sentence(fault: Exception, where: str) -> str:
    match fault:
        case SMTPAuthenticationError():
            return f"SMTP_USERNAME with the password of SMTP_PASSWORD_FILE is not accepted by {where} ({fault.code})."
        case ssl.SSLCertVerificationError():
            return f"The certificate of {where} does not verify ({fault.verify_message}): set SMTP_CA_FILE to the CA that signed it."
        case SMTPResponseException(code=code) if code < 0:
            return NOT_SMTP
        case SMTPResponseException():
            return f"Opening a conversation, {where} answered {fault.code}."
        case SMTPTimeoutError():
            return f"Opening a conversation, {where} did not answer in time."
        case _:
            return f"Opening a conversation with {where} failed ({type(fault).__name__}): is it running, and is the address right?"

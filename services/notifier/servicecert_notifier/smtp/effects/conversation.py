"""SMTP conversations, each open for many mails, with aiosmtplib. Faults are sentences for an operator.

aiosmtplib's calls for a whole mail scan its content twice, which costs more than all else
(docs/decisions/mail-libraries.md). So this module writes the content itself, with a timeout for each answer.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from typing import cast

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse
from servicecert_worker.core.faults import guard_cancellation, with_timeout
from servicecert_worker.core.secret_files import SecretUnreadable

from ...domain.relays import Relay
from ...settings import Settings, Tls
from ..domain.answers import Answer, Envelope, Offers, Reply, Step, stuffed

_START_CONTENT = 354
_CLOSING = 421
_LAST_SYNTAX_FAULT = 504
_QUIT_SECONDS = 1.0
_NOT_SMTP = "The server at SMTP_HOST and SMTP_PORT does not speak SMTP: check both settings."
_RENEW = "have it renewed there"
_NAME = "write SMTP_HOST as the certificate names it"
_WAYS_OUT = {9: _RENEW, 10: _RENEW, 62: _NAME, 64: _NAME}
"""What to do, by OpenSSL's X509_V_ERR number: not yet valid, expired, of another name, of another IP address."""


class ConversationFailed(Exception):
    """The conversation cannot be opened, or broke off. The message is for an operator, without personal data."""


class Refused(ConversationFailed):
    """The mail server refused us before any mail: our host, or our login."""


class LoginRefused(Refused):
    """The mail server refused our login. Immediate retries would lock the account."""


class NoAnswer(ConversationFailed):
    """The mail server did not answer in time. The next mail would wait as long again."""


class Conversation:
    """An open conversation. It takes one mail at a time."""

    def __init__(self, relay: Relay, client: SMTP, protocol: SMTPProtocol, settings: Settings) -> None:
        self.relay = relay
        self.offers = Offers(*(client.supports_extension(name) for name in ("size", "dsn", "smtputf8")))
        self._client = client
        self._protocol = protocol
        self._answer_seconds = settings.smtp_timeout_seconds
        self._end_seconds = settings.smtp_end_timeout_seconds

    @property
    def usable(self) -> bool:
        """Return whether it can take a mail: the server may have closed it while it was idle."""
        return self._protocol.is_connected

    async def hand_over(self, envelope: Envelope, message: bytes) -> Answer:
        """Hand over one mail. Raise `ConversationFailed`: it is then unknown whether the server has the mail."""
        for step, command in envelope.commands(len(message), self.offers).items():
            reply = await self._command(command)
            if reply.code >= 400:
                # It is an answer, whatever becomes of the conversation.
                with suppress(ConversationFailed):
                    await self._command(b"RSET")
                return Answer(step, reply)
            if not (reply.code == _START_CONTENT if step is Step.CONTENT else reply.positive):
                raise self._failure(f"The mail server answered {reply} to the {step.name.lower()} of a mail.")
        return Answer(Step.CONTENT, await self._reply(self._content(message), self._end_seconds))

    async def close(self) -> None:
        """Send QUIT, and wait a short time for the answer."""
        if self.usable:
            with suppress(ConversationFailed):
                await self._reply(self._protocol.execute_command(b"QUIT"), _QUIT_SECONDS)
        self._client.close()

    def abort(self) -> None:
        """End the conversation at once, and drop unsent data."""
        transport = cast(asyncio.Transport | None, self._client.transport)
        self._client.close()
        if transport is not None:
            transport.abort()

    async def _command(self, command: bytes) -> Reply:
        return await self._reply(self._protocol.execute_command(command), self._answer_seconds)

    async def _content(self, message: bytes) -> SMTPResponse:
        self._protocol.write(stuffed(message))
        return await self._protocol.read_response()

    async def _reply(self, response_of: Awaitable[SMTPResponse], seconds: float) -> Reply:
        try:
            response = await with_timeout(seconds, response_of)
            reply = Reply.read(response.code, response.message)
        except TimeoutError:
            raise self._failure(f"The mail server did not answer within {seconds:g} s.", NoAnswer) from None
        except (SMTPResponseException, ValueError):
            raise self._failure(_NOT_SMTP) from None
        except (SMTPException, OSError) as fault:
            how = "ended" if fault.__cause__ is None else f"broke off ({type(fault.__cause__).__name__})"
            raise self._failure(f"The mail server {how} the conversation.") from None
        if reply.code == _CLOSING:
            raise self._failure("The mail server answered 421 and ended the conversation.")
        return reply

    def _failure(self, reason: str, kind: type[ConversationFailed] = ConversationFailed) -> ConversationFailed:
        self.abort()
        return kind(reason)


async def open_conversation(relay: Relay, settings: Settings, tls: ssl.SSLContext) -> Conversation:
    """Open a conversation with a mail server. Raise `ConversationFailed` or its subclasses."""
    server = f"the mail server at {relay}"
    client = SMTP(
        hostname=relay.host,
        port=relay.port,
        timeout=settings.smtp_timeout_seconds,
        start_tls=False,
        use_tls=settings.smtp_tls is Tls.IMPLICIT,
        tls_context=tls if settings.smtp_tls is Tls.IMPLICIT else None,
    )
    try:
        await guard_cancellation(_greet(client, settings, tls, server))
    except (SMTPException, OSError, ValueError) as fault:
        client.close()
        raise _kind(fault)(_sentence(fault, server)) from None
    except BaseException:
        client.close()
        raise
    if client.protocol is None or not client.is_connected:
        # A server that closes with its answer to EHLO would be tried again at once, for ever.
        client.close()
        raise ConversationFailed(f"Cannot open a conversation: {server} ended it.")
    return Conversation(relay, client, client.protocol, settings)


async def _greet(client: SMTP, settings: Settings, tls: ssl.SSLContext, server: str) -> None:
    await client.connect()
    await client.ehlo()
    if settings.smtp_tls in (Tls.STARTTLS, Tls.OPPORTUNISTIC) and client.supports_extension("starttls"):
        await client.starttls(tls_context=tls)
        await client.ehlo()
    elif settings.smtp_tls is Tls.STARTTLS:
        raise ConversationFailed(
            f"STARTTLS is required and {server} does not offer it: "
            "turn it on there, or set SMTP_TLS=off if the network is trusted."
        )
    if settings.smtp_username is not None:
        if not client.supports_extension("auth"):
            raise LoginRefused(f"SMTP_USERNAME is set and {server} offers no login: turn it on there, or unset it.")
        await client.login(settings.smtp_username, settings.password() or "")


def _kind(fault: Exception) -> type[ConversationFailed]:
    """Return the kind of a fault. A server refuses our host in its greeting or its answer to EHLO, as with 554."""
    if isinstance(fault, SMTPAuthenticationError):
        return LoginRefused
    refuses_host = isinstance(fault, SMTPResponseException) and fault.code > _LAST_SYNTAX_FAULT
    return Refused if refuses_host else ConversationFailed


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Return the TLS context: it verifies certificates if TLS is required, and accepts any if it is opportunistic."""
    context = ssl.create_default_context(cafile=settings.smtp_ca_file)
    if not settings.smtp_tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _sentence(fault: Exception, server: str) -> str:
    # The library wraps network errors, and names the cause in its text only.
    cause = fault.__cause__ if isinstance(fault.__cause__, ssl.SSLCertVerificationError) else fault
    match cause:
        case SMTPAuthenticationError():
            return f"Login refused ({cause.code}) by {server}: check SMTP_USERNAME and SMTP_PASSWORD_FILE."
        case SecretUnreadable():
            return f"SMTP_PASSWORD_FILE: {cause}."
        case ssl.SSLCertVerificationError():
            way_out = _WAYS_OUT.get(cause.verify_code, "set SMTP_CA_FILE to the CA that signed it")
            return f"The certificate of {server} does not verify ({cause.verify_message.rstrip('.')}): {way_out}."
        case SMTPResponseException(code=code) if code < 0:
            return _NOT_SMTP
        case SMTPResponseException():
            way_out = ": ask those who run it why it refuses this host" if _kind(cause) is Refused else ""
            return f"Cannot open a conversation: {server} answered {cause.code}{way_out}."
        case SMTPTimeoutError():
            return f"Cannot open a conversation: {server} did not answer in time."
        case _:
            return (
                f"Cannot connect to {server} ({type(cause).__name__}): check that it runs, and SMTP_HOST and SMTP_PORT."
            )

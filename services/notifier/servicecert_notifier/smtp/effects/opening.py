"""Opening a conversation with a mail server, by aiosmtplib: greeting, EHLO, TLS, AUTH. What goes wrong is a sentence for an operator."""

import asyncio
import ssl
from typing import cast

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException, SMTPTimeoutError
from servicecert_worker.faults import uncancelled

from ...settings import Settings, Tls
from ..domain.relays import Relay
from .conversation import NOT_SMTP, Conversation, ConversationFailed, LoginRefused, Offers, Patience

_RENEW = "have it renewed there"
_NAME = "write SMTP_HOST as the certificate names it"
_WAYS_OUT = {9: _RENEW, 10: _RENEW, 62: _NAME, 64: _NAME}
"""What to do about a certificate, by OpenSSL's X509_V_ERR numbers: not yet valid, expired, of another name, of another IP address."""


async def open_conversation(relay: Relay, settings: Settings, tls: ssl.SSLContext) -> Conversation:
    """Opens a conversation with a mail server as the settings ask. Raises `ConversationFailed`, and of its kinds `LoginRefused`."""
    where = f"the mail server at {relay}"
    client = SMTP(
        hostname=relay.host,
        port=relay.port,
        timeout=settings.smtp_timeout_seconds,
        start_tls=False,
        use_tls=settings.smtp_tls is Tls.IMPLICIT,
        tls_context=tls if settings.smtp_tls is Tls.IMPLICIT else None,
    )
    try:
        await uncancelled(_greet(client, settings, tls, where))
    except (SMTPException, OSError, ValueError) as fault:
        client.close()
        refused = isinstance(fault, SMTPAuthenticationError)
        raise (LoginRefused if refused else ConversationFailed)(_sentence(fault, where)) from None
    except BaseException:
        client.close()
        raise
    transport = cast(asyncio.Transport, client.transport)
    patience = Patience(settings.smtp_timeout_seconds, settings.smtp_end_timeout_seconds)
    offers = Offers(*(client.supports_extension(name) for name in ("pipelining", "size", "dsn", "smtputf8")))
    conversation = Conversation(relay, transport, offers, patience)
    if not conversation.usable:
        # Who says good-bye with its answer to EHLO would be asked again at once, for ever, and no mail were tried.
        conversation.abort()
        raise ConversationFailed(f"Opening a conversation, {where} ended it.")
    return conversation


async def _greet(client: SMTP, settings: Settings, tls: ssl.SSLContext, where: str) -> None:
    await client.connect()
    await client.ehlo()
    if settings.smtp_tls in (Tls.STARTTLS, Tls.OPPORTUNISTIC):
        await _encrypt(client, settings.smtp_tls, tls, where)
    if settings.smtp_username is not None:
        await client.login(settings.smtp_username, settings.password() or "")


async def _encrypt(client: SMTP, wanted: Tls, tls: ssl.SSLContext, where: str) -> None:
    if client.supports_extension("starttls"):
        await client.starttls(tls_context=tls)
        await client.ehlo()
    elif wanted is Tls.STARTTLS:
        raise ConversationFailed(
            f"STARTTLS is required and {where} does not offer it: turn it on there, or set SMTP_TLS=off where the network is trusted."
        )


def tls_context(settings: Settings) -> ssl.SSLContext:
    """What certificates of a mail server are accepted: verified ones where TLS is required, any where it is opportunistic."""
    context = ssl.create_default_context(cafile=settings.smtp_ca_file)
    if not settings.smtp_tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _sentence(fault: Exception, where: str) -> str:
    # The library wraps what the network raises, and tells of the cause in its words only.
    cause = fault.__cause__ if isinstance(fault.__cause__, ssl.SSLCertVerificationError) else fault
    match cause:
        case SMTPAuthenticationError():
            return f"SMTP_USERNAME with the password of SMTP_PASSWORD_FILE is not accepted by {where} ({cause.code})."
        case ssl.SSLCertVerificationError():
            way_out = _WAYS_OUT.get(cause.verify_code, "set SMTP_CA_FILE to the CA that signed it")
            return f"The certificate of {where} does not verify ({cause.verify_message.rstrip('.')}): {way_out}."
        case SMTPResponseException(code=code) if code < 0:
            return NOT_SMTP
        case SMTPResponseException():
            return f"Opening a conversation, {where} answered {cause.code}."
        case SMTPTimeoutError():
            return f"Opening a conversation, {where} did not answer in time."
        case _:
            return f"Opening a conversation with {where} failed ({type(cause).__name__}): is it running, and is the address right?"

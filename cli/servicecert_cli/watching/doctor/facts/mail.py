"""What the mail servers say to a conversation without a mail, and the mails in the tables."""

import asyncio
from functools import partial
from typing import Any

from servicecert_notifier.domain import relays
from servicecert_notifier.settings import Settings
from servicecert_notifier.smtp.effects.conversation import (
    ConversationFailed,
    LoginRefused,
    open_conversation,
    tls_context,
)
from servicecert_worker.runtime.environment import read

from ..domain import mail as judged
from ..domain.mail import Relay
from ..sources import Look, Sources, setting, shared
from . import QUERIES
from .database import in_schema

_ANSWER_SECONDS = 5.0


@shared
async def conversations(_: Sources) -> list[Relay]:
    """Open and end a conversation with each mail server. Raises Stopped, OperatorError."""
    setting("SMTP_HOST")
    setting("SERVICECERT_AUTHORITY_FILE")
    settings = read(Settings)
    seconds = min(_ANSWER_SECONDS, settings.smtp_timeout_seconds)
    settings = settings.model_copy(update={"smtp_timeout_seconds": seconds})
    tls = tls_context(settings)
    return list(await asyncio.gather(*(_tried(relay, settings, tls) for relay in settings.relays)))


async def _tried(relay: relays.Relay, settings: Settings, tls: Any) -> Relay:
    tried = partial(
        Relay, str(relay), has_login=settings.smtp_username is not None, is_encrypted=settings.smtp_tls.is_verified
    )
    try:
        conversation = await open_conversation(relay, settings, tls)
    except LoginRefused as refused:
        return tried(login_fault=str(refused))
    except ConversationFailed as failed:
        return tried(fault=str(failed))
    await conversation.close()
    return tried()


async def refused(sources: Sources) -> int:
    """Return how many mails wait because a server refused us, whoever the recipient is."""
    (row,) = await in_schema(sources, "notifier", QUERIES["refused_mails"])
    return int(row["refused"])


LOOKS = {
    "MailServer": Look(conversations, judged.check_mail_server),
    "MailLogin": Look(conversations, judged.check_mail_login),
    "MailServerRefusesUs": Look(refused, judged.check_refused_mails),
}

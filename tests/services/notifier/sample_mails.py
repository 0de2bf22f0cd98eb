"""The sample mails in every language, with any words in them, and their text as mail programs show it (RFC 3676)."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

import pytest
from servicecert_notifier.domain.task import Letterhead, MailTask
from servicecert_notifier.mail.domain.message import Letter, Sender, compose
from servicecert_notifier.operator.samples import samples
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.values import Language

AUTHORITY = Path(__file__).with_name("authority.toml")
"""The authority of the tests."""
HEAD = Letterhead(sender="ca@example.fi", name="Exempelmyndigheten för identitet", contact="help@example.fi")
TO = Recipient(role=RecipientRole.ORDERER, email="maija@example.fi")
SAMPLES = {f"{name}.{language}": task for language in Language for name, task in samples(language)}
EVERY_MAIL = pytest.mark.parametrize("task", [pytest.param(task, id=name) for name, task in SAMPLES.items()])
_TYPED = {"applied_for", "unit", "dns", "customer_reference", "deficiencies", "lacking", "reasons", "subject"}


def typed(task: MailTask, words: str, times: int = 1, **changes: object) -> MailTask:
    """The task with these words, in lists so many times, wherever a text stands that somebody may have typed."""
    content = task.content
    words_of = {
        name: (words,) * times if isinstance(getattr(content, name), tuple) else words
        for name in _TYPED & set(type(content).model_fields)
    }
    return task.model_copy(update={"content": content.model_copy(update=words_of | changes)})


def sent_text(letter: Letter) -> str:
    """The lines of a letter's text part, whose type says how a program shows them."""
    raw = compose(
        letter, Sender.of(HEAD.sender, HEAD.name), TO, UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), Language.ENGLISH
    )
    part = message_from_bytes(raw, policy=policy.SMTP).get_body(("plain",))
    assert part is not None
    assert dict(part["Content-Type"].params) == {"charset": "utf-8", "format": "flowed", "delsp": "yes"}
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def unflowed(lines: str) -> str:
    """What RFC 3676, 4.1 makes of lines: stuffed spaces go, and a line that ends in a space goes on in the next."""
    return re.sub(r"(?m)^ ", "", lines).replace(" \n", "")

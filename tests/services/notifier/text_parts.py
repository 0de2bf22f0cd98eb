"""The text part of a mail: as it is sent, and as a mail program that knows its format shows it (RFC 3676)."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from uuid import UUID

from servicecert_notifier.mail.domain.message import Letter, Sender, compose
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.values import Language

TO = Recipient(role=RecipientRole.ORDERER, email="maija@example.fi")


def sent_text(letter: Letter) -> str:
    """The lines of a letter's text part, whose type says how a program shows them."""
    raw = compose(
        letter, Sender.read("ca@example.fi"), TO, UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), Language.ENGLISH
    )
    part = message_from_bytes(raw, policy=policy.SMTP).get_body(("plain",))
    assert part is not None
    assert dict(part["Content-Type"].params) == {"charset": "utf-8", "format": "flowed", "delsp": "yes"}
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def unflowed(lines: str) -> str:
    """What RFC 3676, 4.1 makes of lines: stuffed spaces go, and a line that ends in a space goes on in the next."""
    return re.sub(r"(?m)^ ", "", lines).replace(" \n", "")

"""Reads bounces: delivery status notifications (RFC 3464, for SMTPUTF8 RFC 6533), with the standard library. Pure.

Anybody can send a report. Only the mail's id and the status are taken from it; its text is never stored.
"""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from typing import Any
from uuid import UUID

MAX_BYTES = 262_144
"""The largest report that is read. Servers return the headers, as requested (RFC 3461 section 4.3), or the mail."""

_MAX_PARTS = 50
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


def read(content: bytes, domain: str) -> tuple[UUID, str] | None:
    """Return the id of the mail whose permanent failure a mail reports, and the status (RFC 3463), or None.

    `domain` is the domain of our Message-IDs.
    """
    if len(content) > MAX_BYTES:
        return None
    try:
        report = message_from_bytes(content, policy=compat32)
        # The message's fields, then each recipient's (RFC 3464 section 2.1).
        parts = _parts(report, "message/delivery-status", "message/global-delivery-status")
        groups = [each for part in parts for each in _groups(part) if isinstance(each, Message)]
        failed = next((group for group in groups if _field(group, "Action").lower() == "failed"), None)
        # The envelope id that we sent (RFC 3461 section 4.4) is the mail's.
        ids = (re.fullmatch(_UUID, _field(group, "Original-Envelope-Id")) for group in groups)
        identity = next((UUID(match[0]) for match in ids if match), None) or _by_message_id(report, domain)
        if failed is None or identity is None:
            return None
        status = _STATUS.match(_field(failed, "Status"))
    except Exception:
        # Hostile input makes the parser raise undocumented exceptions.
        return None
    return identity, status[0] if status else "5.0.0"


def _parts(message: Message, *kinds: str) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= _MAX_PARTS:
            return
        if part.get_content_type() in kinds:
            yield part


def _groups(part: Any) -> Any:
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    # The parser takes it for a mail, in its transfer encoding.
    (whole,) = part.get_payload()
    encoded: Any = Message(compat32)
    encoded["Content-Transfer-Encoding"] = part.get("Content-Transfer-Encoding", "8bit")
    encoded.set_payload(whole.as_bytes().lstrip().decode("ascii", "surrogateescape"))
    fields = encoded.get_payload(decode=True)
    return message_from_bytes(b"Content-Type: message/delivery-status\n\n" + fields, policy=compat32).get_payload()


def _field(message: Message, name: str) -> str:
    return str(message.get(name, "")).strip()


def _by_message_id(report: Message, domain: str) -> UUID | None:
    """Return the mail's id from the Message-ID of the returned mail."""
    ours = re.compile(rf"<({_UUID})@{re.escape(domain)}>")
    for part in _parts(report, "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"):
        payload, decoded = part.get_payload(), part.get_payload(decode=True)
        if isinstance(payload, list) and payload and isinstance(payload[0], Message):
            returned = payload[0]
        else:
            returned = message_from_bytes(decoded if isinstance(decoded, bytes) else b"", policy=compat32)
        if match := ours.fullmatch(_field(returned, "Message-ID")):
            return UUID(match[1])
    return None

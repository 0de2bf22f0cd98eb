"""Reading what comes back: delivery status notifications (RFC 3464), by the standard library's parser. Whatever is no such report is nothing. Pure.

A report may come from anybody. It says of one mail of ours that it failed, or it says nothing; its words are never kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from uuid import UUID

MAX_BYTES = 262_144
"""The largest report that is read: servers return no more than a mail's headers, as they are asked to (RFC 3461 section 4.3), or a mail of ours whole."""

_MAX_PARTS = 50
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail of ours that failed for good: its id, and the status (RFC 3463)."""

    mail_id: UUID
    status: str


def read(content: bytes, domain: str) -> Bounce | None:
    """The bounce that a mail reports, or None. `domain` is what our Message-IDs end with."""
    if len(content) > MAX_BYTES:
        return None
    try:
        report = message_from_bytes(content, policy=compat32)
        status = next((found for part in _parts(report, "message/delivery-status") if (found := _failed(part))), None)
        if status is None:
            return None
        identity = _by_envelope(report) or _by_message_id(report, domain)
    except Exception:
        # What the parser trips over was made to trip it, in ways that it does not name.
        return None
    return None if identity is None else Bounce(identity, status)


def _parts(message: Message, *kinds: str) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= _MAX_PARTS:
            return
        if part.get_content_type() in kinds:
            yield part


def _groups(status_part: Message) -> list[Message]:
    """The groups of fields in a `message/delivery-status`: of the message first, then of each recipient (RFC 3464 section 2.1)."""
    payload = status_part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _failed(status_part: Message) -> str | None:
    """The status of the first recipient who is told to have failed for good."""
    for group in _groups(status_part):
        if str(group.get("Action", "")).strip().lower() == "failed":
            status = _STATUS.match(str(group.get("Status", "")))
            return status[1] if status else "5.0.0"
    return None


def _by_envelope(report: Message) -> UUID | None:
    """The mail by the envelope id that we gave it (RFC 3461 section 4.4)."""
    for part in _parts(report, "message/delivery-status"):
        for group in _groups(part):
            if found := re.fullmatch(_UUID, str(group.get("Original-Envelope-Id", "")).strip()):
                return UUID(found[0])
    return None


def _by_message_id(report: Message, domain: str) -> UUID | None:
    """The mail by the Message-ID in what was returned of it."""
    ours = re.compile(rf"<({_UUID})@{re.escape(domain)}>")
    for part in _parts(report, "message/rfc822", "text/rfc822-headers"):
        payload = part.get_payload()
        if isinstance(payload, list) and payload and isinstance(payload[0], Message):
            returned = str(payload[0].get("Message-ID", ""))
        else:
            decoded = part.get_payload(decode=True)
            headers = message_from_bytes(decoded if isinstance(decoded, bytes) else b"", policy=compat32)
            returned = str(headers.get("Message-ID", ""))
        if found := ours.fullmatch(returned.strip()):
            return UUID(found[1])
    return None

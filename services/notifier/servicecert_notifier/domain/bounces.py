"""Reads bounces: delivery status notifications (RFC 3464), with the standard library's parser. Pure.

Anybody can send a report. Only the mail's id and the status are taken from it; its text is never stored.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from uuid import UUID

MAX_BYTES = 262_144
"""The largest report that is read. Servers return the headers, as requested (RFC 3461 section 4.3), or the mail."""

_MAX_PARTS = 50
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A permanent failure of one of our mails: the mail's id, and the status (RFC 3463)."""

    mail_id: UUID
    status: str


def read(content: bytes, domain: str) -> Bounce | None:
    """Return the bounce that a mail reports, or None. `domain` is the domain of our Message-IDs."""
    if len(content) > MAX_BYTES:
        return None
    try:
        report = message_from_bytes(content, policy=compat32)
        status = next(filter(None, map(_failure_status, _parts(report, "message/delivery-status"))), None)
        if status is None:
            return None
        identity = _by_envelope(report) or _by_message_id(report, domain)
    except Exception:
        # Hostile input makes the parser raise undocumented exceptions.
        return None
    return None if identity is None else Bounce(identity, status)


def _parts(message: Message, *kinds: str) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= _MAX_PARTS:
            return
        if part.get_content_type() in kinds:
            yield part


def _groups(status_part: Message) -> list[Message]:
    """Return the field groups of a status part: the message's, then each recipient's (RFC 3464 section 2.1)."""
    payload = status_part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _failure_status(status_part: Message) -> str | None:
    """Return the status of the first recipient with a permanent failure."""
    for group in _groups(status_part):
        if str(group.get("Action", "")).strip().lower() == "failed":
            status = _STATUS.match(str(group.get("Status", "")))
            return status[1] if status else "5.0.0"
    return None


def _by_envelope(report: Message) -> UUID | None:
    """Return the mail's id from the envelope id that we sent (RFC 3461 section 4.4)."""
    for part in _parts(report, "message/delivery-status"):
        for group in _groups(part):
            if match := re.fullmatch(_UUID, str(group.get("Original-Envelope-Id", "")).strip()):
                return UUID(match[0])
    return None


def _by_message_id(report: Message, domain: str) -> UUID | None:
    """Return the mail's id from the Message-ID of the returned mail."""
    ours = re.compile(rf"<({_UUID})@{re.escape(domain)}>")
    for part in _parts(report, "message/rfc822", "text/rfc822-headers"):
        payload = part.get_payload()
        if isinstance(payload, list) and payload and isinstance(payload[0], Message):
            returned = str(payload[0].get("Message-ID", ""))
        else:
            decoded = part.get_payload(decode=True)
            headers = message_from_bytes(decoded if isinstance(decoded, bytes) else b"", policy=compat32)
            returned = str(headers.get("Message-ID", ""))
        if match := ours.fullmatch(returned.strip()):
            return UUID(match[1])
    return None

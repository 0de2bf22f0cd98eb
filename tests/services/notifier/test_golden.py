"""Every kind of mail in every language, as a person would see it, beside the code.

After a wanted change: GOLDEN=write .venv/bin/pytest tests/services/notifier/test_golden.py, and read the difference.
"""

import os
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path

import pytest
from servicecert_notifier.letters import write
from servicecert_notifier.message import Sender, compose
from servicecert_schemas import Language

GOLDEN = Path(__file__).parent / "golden"


def shown(raw: bytes) -> str:
    """A mail as text: headers, text, page, and of each file its name, type, size and SHA-256."""
    message = message_from_bytes(raw, policy=policy.SMTP)
    lines = [f"{name}: {value}" for name, value in message.items()]
    for part in message.walk():
        if part.is_attachment():
            content = part.get_content()
            octets = content if isinstance(content, bytes) else content.encode()
            lines.append(
                f"\n--- {part.get_filename()} {part.get_content_type()} {len(octets)} octets {sha256(octets).hexdigest()}"
            )
        elif not part.is_multipart():
            lines.append(f"\n--- {part.get_content_type()}\n{part.get_content().replace(chr(13), '')}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", ["issued", "returned", "revoked"])
def test_a_mail_is_the_stored_one(planned, request, kind, language):
    task = planned(request.getfixturevalue(kind), language)
    sender = Sender.read("ca@example.fi")
    raw = compose(write(task, "help@example.fi"), sender, task.recipient, task.mail_id, task.date, task.language)
    stored = GOLDEN / f"{kind}.{language}.txt"
    if os.environ.get("GOLDEN") == "write":
        stored.write_text(shown(raw), "utf-8")
    assert shown(raw) == stored.read_text("utf-8")

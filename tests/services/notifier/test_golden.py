"""Every kind of mail in every language, as a person sees it, in stored files.

After an intended change: GOLDEN=write .venv/bin/pytest tests/services/notifier/test_golden.py, and read the difference.
"""

import os
import re
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path

import pytest
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Sender, compose
from services.notifier.sample_mails import HEAD, SAMPLES

GOLDEN = Path(__file__).parent / "golden"
_STYLE = re.compile(r"<style>.*?</style>\n", re.DOTALL)


def shown(raw: bytes) -> str:
    """A mail as text: headers, text, page, and of each file its name, type, size and SHA-256."""
    message = message_from_bytes(raw, policy=policy.SMTP)
    lines = [f"{name}: {value}" for name, value in message.items()]
    for part in message.walk():
        if part.is_attachment():
            content = part.get_content()
            octets = content if isinstance(content, bytes) else content.encode()
            lines.append(
                f"\n--- {part.get_filename()} {part.get_content_type()}"
                f" {len(octets)} octets {sha256(octets).hexdigest()}"
            )
        elif not part.is_multipart():
            # The style is the same in every mail, and looked at in the preview: here it would hide the words.
            content = _STYLE.sub("", re.sub(r"(?m) *\r?$", "", part.get_content()))
            lines.append(f"\n--- {part.get_content_type()}\n{content}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mail_is_the_stored_one(name):
    task = SAMPLES[name]
    sender = Sender.of(HEAD.sender, HEAD.name)
    raw = compose(write(task, HEAD), sender, task.recipient, task.mail_id, task.date, task.language)
    stored = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        stored.write_text(shown(raw), "utf-8")
    assert shown(raw) == stored.read_text("utf-8")

"""Mails that are signed by DKIM verify by the library's own verifier, and are the same bytes each time (I9)."""

from base64 import b64encode
from email import message_from_bytes
from functools import partial

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import ValidationError
from servicecert_notifier.domain.task import MailState
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Sender, compose
from servicecert_notifier.mail.effects.dkim_key import DkimKey
from servicecert_notifier.settings import Settings
from services.notifier.sample_mails import AUTHORITY, HEAD

GOOD = {"smtp_host": "mail.example", "servicecert_authority_file": AUTHORITY}
KEYS = {
    "rsa": lambda: rsa.generate_private_key(65_537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def stored(folder, key, mode=0o600, encryption=None):
    path = folder / "dkim.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    path.chmod(mode)
    return path


def record(key):
    """What the domain says of the key (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
    public = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"v=DKIM1; k=ed25519; p=" + b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + b64encode(der)


@pytest.mark.parametrize("kind", KEYS)
async def test_a_mail_that_is_handed_over_verifies(kind, mail_server, make_mailer, mails, tmp_path):
    key = KEYS[kind]()
    asked = []

    def answer(name, timeout=5):
        asked.append(name)
        return record(key)

    settings = {"servicecert_dkim_key_file": stored(tmp_path, key), "servicecert_dkim_selector": "s2026"}
    async with mail_server() as fake_server:
        mailer = make_mailer(fake_server.port, **settings)
        for _ in range(2):
            (outcome,) = await mailer.deliver(mails(1))
            assert outcome.data.state is MailState.HANDED_OVER
    first, second = (content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for content in fake_server.contents)
    assert first == second
    assert dkim.verify(first, dnsfunc=answer)
    assert asked == [b"s2026._domainkey.example.fi."]
    assert not dkim.verify(first.replace(b"Subject: ", b"Subject: No "), dnsfunc=answer)
    assert not dkim.verify(first.replace(b"To: ", b"To: x@example.fi, "), dnsfunc=answer)


@pytest.mark.parametrize("kind", KEYS)
def test_a_header_that_is_added_breaks_the_signature(kind, mails, tmp_path):
    """RFC 6376, 8.15: a mail program shows the added one, the verifier looks at the signed one."""
    key = KEYS[kind]()
    (task,) = (each.data for each in mails(1))
    letter = write(task, HEAD)
    raw = compose(letter, Sender.of(HEAD.sender, HEAD.name), task.recipient, task.mail_id, task.date, task.language)
    signed = DkimKey.read(stored(tmp_path, key), "s2026", "example.fi").signed(raw, task.date)
    names = [name.lower() for name in message_from_bytes(raw)]
    assert len(set(names)) == len(names) == 9
    verifies = partial(dkim.verify, dnsfunc=lambda name, timeout=5: record(key))
    assert verifies(signed)
    assert verifies(b"Received: from a by b\r\n" + signed), "what every relay adds does no harm"
    head, _, body = signed.partition(b"\r\n\r\n")
    for name in (*names, "sender", "reply-to", "cc", "content-transfer-encoding"):
        added = f"{name}: x <evil@example.com>\r\n".encode()
        assert not verifies(added + signed), name
        assert not verifies(head + b"\r\n" + added + b"\r\n" + body), name


async def test_without_a_key_nothing_is_signed(mail_server, make_mailer, mails):
    async with mail_server() as fake_server:
        await make_mailer(fake_server.port).deliver(mails(1))
    assert b"DKIM-Signature" not in fake_server.contents[0]


@pytest.mark.parametrize(
    ("make", "mode", "encryption", "sentence"),
    [
        (KEYS["ed25519"], 0o604, None, "others can read"),
        (lambda: rsa.generate_private_key(65_537, 1024), 0o600, None, "neither RSA of at least 2048"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), 0o600, None, "nor Ed25519"),
        (KEYS["ed25519"], 0o600, BestAvailableEncryption(b"x"), "without a passphrase"),
    ],
)
def test_a_key_that_will_not_do_is_refused_at_the_start(tmp_path, make, mode, encryption, sentence):
    path = stored(tmp_path, make(), mode, encryption)
    with pytest.raises(ValidationError, match=sentence):
        Settings(**GOOD, servicecert_dkim_key_file=path, servicecert_dkim_selector="s")


def test_a_key_file_that_is_missing_or_empty_is_refused_at_the_start(tmp_path):
    with pytest.raises(ValidationError, match="does not point to a file"):
        Settings(**GOOD, servicecert_dkim_key_file=tmp_path / "no", servicecert_dkim_selector="s")
    with pytest.raises(ValueError, match="cannot be read"):
        DkimKey.read(tmp_path / "no", "s", "example.fi")
    (tmp_path / "empty").touch(mode=0o600)
    with pytest.raises(ValidationError, match="has no PEM private key"):
        Settings(**GOOD, servicecert_dkim_key_file=tmp_path / "empty", servicecert_dkim_selector="s")


@pytest.mark.parametrize("selector", [None, "a b", "-a", ""])
def test_a_selector_goes_with_the_key(tmp_path, selector):
    path = stored(tmp_path, KEYS["ed25519"]())
    with pytest.raises(ValidationError, match=r"SELECTOR|selector"):
        Settings(**GOOD, servicecert_dkim_key_file=path, servicecert_dkim_selector=selector)


def test_I10_the_key_is_not_shown(tmp_path):
    key = DkimKey.read(stored(tmp_path, KEYS["ed25519"]()), "s", "example.fi")
    assert key.key.decode() not in repr(key)

"""A mail as bytes: what a strict parser and the standard library make of it, and that nothing gets out of a header."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from servicecert_notifier.mail.domain.message import (
    Attachment,
    Letter,
    Sender,
    UnsendableAddress,
    compose,
    encoded,
    flowed,
    mailbox,
)
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.characters import one_line
from servicecert_schemas.values import Language
from services.notifier.sample_mails import HEAD

STRICT = policy.SMTP.clone(raise_on_defect=True)
SENDER = Sender.of(HEAD.sender, HEAD.name)
ID = UUID("07a18cb6-73a0-59ee-88c4-2f3707a5eac9")
DATE = datetime(2026, 11, 24, 10, 15, 30, tzinfo=UTC)
HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Auto-Submitted",
    "Content-Language",
    "Content-Type",
}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


def recipient(name="Maija Mallikas", email="maija@example.fi"):
    return Recipient(role=RecipientRole.ORDERER, email=email, name=name)


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=STRICT)
    assert isinstance(message, EmailMessage)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message


def shown_name(raw: bytes) -> str:
    """The recipient's name, with encoded words joined (RFC 2047 section 6.2); Python 3.11's parser keeps the spaces."""
    phrase = message_from_bytes(raw)["To"].rpartition("<")[0].strip()
    return str(make_header(decode_header(phrase))) if "=?" in phrase else parseaddr(f"{phrase} <a@b>")[0]


def composed(letter, to=None, sender=SENDER):
    return compose(letter, sender, to or recipient(), ID, DATE, Language.FINNISH)


@given(subject=ANY_TEXT, name=ANY_TEXT, text=ANY_TEXT)
@example(subject="Hi\r\nBcc: a@b", name='x"\r\nBcc: a@b\r\n\r\nbody', text="x")
@example(subject="=?utf-8?b?SGk=?=", name="=?utf-8?q?=0D=0ABcc:_a?=", text=".")
@example(subject="ä" * 200, name="\\", text="=_07a18cb673a059ee88c42f3707a5eac9_mail")
def test_nothing_gets_out_of_a_header(subject, name, text):
    raw = composed(Letter(subject, text + "\n", text), recipient(name[:200]))
    message = parsed(raw)
    assert set(message.keys()) == HEADERS
    assert len(message.keys()) == len(HEADERS)
    assert message["Subject"] == one_line(subject)
    (address,) = message["To"].addresses
    assert address.addr_spec == "maija@example.fi"
    assert shown_name(raw) == one_line(name[:200])
    head = raw.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 and line.isascii() for line in head.split(b"\r\n"))
    assert not {10, 13} & set(raw.replace(b"\r\n", b""))


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=500))
def test_bodies_come_out_as_they_went_in(text):
    letter = Letter(
        "s", text + "\n", text + "\n", (Attachment("f.pem", "application/x-pem-file", encoded(text.encode())),)
    )
    plain, html, file = (part for part in parsed(composed(letter)).walk() if not part.is_multipart())
    sent, page = (body.get_payload(decode=True).decode().replace("\r\n", "\n") for body in (plain, html))
    assert (sent, page) == (flowed(text + "\n"), text + "\n")
    assert file.get_content() == text.encode()


def test_C3_the_same_mail_has_the_same_bytes():
    assert composed(Letter("s", "t\n", "h\n")) == composed(Letter("s", "t\n", "h\n"))


@pytest.mark.parametrize(
    ("address", "on_the_wire"),
    [
        ("maija.mallikas+x@example.fi", "maija.mallikas+x@example.fi"),
        ("a..b@example.fi", '"a..b"@example.fi'),
        ("(comment)@example.fi", '"(comment)"@example.fi'),
        ("maija@bücher.example", "maija@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_written_so_that_it_is_read_as_one(address, on_the_wire):
    assert mailbox(address) == on_the_wire
    (read,) = parsed(composed(Letter("s", "t", "h"), recipient(None, address)))["To"].addresses
    assert f"{read.username}@{read.domain}" == on_the_wire.replace('"', "")


@pytest.mark.parametrize(
    "address",
    ["mäija@example.fi", "a\x7f@example.fi", "a@-x.fi", "a@x..fi", "a@" + "ä" * 70 + ".fi", "a", "@b", "a@[1"],
)
def test_an_address_that_smtp_cannot_carry_is_no_address(address):
    with pytest.raises(UnsendableAddress) as caught:
        mailbox(address)
    assert address not in str(caught.value).split()


def test_a_sender_has_the_name_of_the_authority():
    sender = Sender.of("ca@example.fi", "Varmenteet Ää")
    (read,) = parsed(composed(Letter("s", "t", "h"), sender=sender))["From"].addresses
    assert (read.display_name, read.addr_spec, sender.domain) == ("Varmenteet Ää", "ca@example.fi", "example.fi")

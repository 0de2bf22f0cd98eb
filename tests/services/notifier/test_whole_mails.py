"""Whole mails with any content: read like those of the standard library, with their own headers and no other."""

from base64 import b64decode
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st
from servicecert_notifier.domain.task import MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Letter, Sender, UnsendableAddress, compose, flowed, mailbox
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.characters import one_line
from services.notifier.sample_mails import HEAD, SAMPLES, typed

STRICT = policy.SMTP.clone(raise_on_defect=True)
SENDER = Sender.of(HEAD.sender, HEAD.name)
TASKS = st.sampled_from(list(SAMPLES.values()))
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted", "Content-Language"),
    "Content-Type",
]
INJECTED = (
    "\r\nBcc: evil@example.fi\r\n",
    "\nX-Evil: 1",
    "\r\n\r\nbody",
    "\u2028Bcc: x",
    "\x0bBcc: x",
    "=?utf-8?q?=0D=0ABcc:_x?=",
)
LINES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
    st.builds("{}{}{}".format, st.text("abåäö.-", max_size=20), st.sampled_from(INJECTED), st.text("ab", max_size=20)),
)
ANY_ADDRESS = st.from_regex(r'[^@\s<>,;:"\\\x00-\x1f]{1,64}@[^@\s<>,;:"\\\x00-\x1f]{1,100}', fullmatch=True)
ODD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=120)
LONG = st.builds(str.__mul__, st.sampled_from(["ä", "x", "=", "€ ", ". ", "𝒜", "<&>"]), st.integers(1, 1_200))
WORDS = st.one_of(ODD, LONG, st.sampled_from([".", "\r\n.\r\n", "From x", "=\r\n", "--=_", "\t ", "\u2028Bcc: x"]))
ADDRESSES = st.sampled_from(
    ["maija@example.fi", "a..b@example.fi", "(comment)@example.fi", "maija@bücher.example", f"{'a' * 64}@example.fi"]
)


def by_the_standard_library(task: MailTask, letter: Letter, name: str) -> bytes:
    made = EmailMessage(policy=STRICT)
    made["From"] = Address(HEAD.name, addr_spec="ca@example.fi")
    local, _, domain = mailbox(task.recipient.email).rpartition("@")
    made["To"] = Address(name, local.strip('"'), domain)
    made["Subject"] = one_line(letter.subject)
    made["Date"] = task.date
    made["Message-ID"] = f"<{task.mail_id}@example.fi>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(flowed(letter.text))
    made.add_alternative(letter.html, subtype="html")
    for file in letter.attachments:
        main, _, sub = file.media_type.partition("/")
        made.add_attachment(b64decode(file.encoded), maintype=main, subtype=sub, filename=file.name)
    made["Content-Language"] = task.language
    return made.as_bytes()


def read(raw: bytes) -> tuple[EmailMessage, list[object]]:
    """A mail, and type, disposition, file name and content of each part."""
    mail = message_from_bytes(raw, policy=STRICT)
    assert isinstance(mail, EmailMessage)
    assert not [defect for part in mail.walk() for defect in part.defects]
    return mail, [
        (
            part.get_content_type(),
            part.get_content_disposition(),
            part.get_filename(),
            None if part.is_multipart() else part.get_content(),
        )
        for part in mail.walk()
    ]


@settings(max_examples=60)
@given(task=TASKS, words=WORDS, name=st.none() | WORDS, address=ADDRESSES, contact=WORDS)
def test_any_mail_is_read_as_the_one_that_the_standard_library_makes(task, words, name, address, contact):
    to = Recipient.model_construct(role=RecipientRole.ORDERER, email=address, name=name)
    task = typed(task, words, 2).model_copy(update={"recipient": to})
    head = HEAD.model_copy(update={"contact": one_line(contact)})
    raw = compose(write(task, head), SENDER, to, task.mail_id, task.date, task.language)
    letter = write(task, head)
    theirs_raw = by_the_standard_library(task, letter, "")
    (ours, parts), (theirs, their_parts) = read(raw), read(theirs_raw)
    assert parts == their_parts
    # Python 3.11's parser keeps spaces between the encoded words of a name: the header tests check names.
    for header in ("From", "Date", "Message-ID", "MIME-Version", "Auto-Submitted", "Content-Language"):
        assert ours[header] == theirs[header]
    # Python 3.11 loses a space of some subjects when it folds them, so ours is compared with the original.
    assert ours["Subject"] == one_line(letter.subject)
    assert [each.addr_spec for each in ours["To"].addresses] == [each.addr_spec for each in theirs["To"].addresses]
    # Seven bits as declared, lines that end as mail's do, and none near the 998 octets of RFC 5322 section 2.1.1.
    lines = raw.split(b"\r\n")
    assert raw.isascii()
    assert not [line for line in lines if len(line) > 200 or b"\r" in line or b"\n" in line]
    encodings = {part["Content-Transfer-Encoding"] for part in ours.walk() if not part.is_multipart()}
    assert encodings <= {"quoted-printable", "base64"}


@given(task=TASKS, line=LINES, name=LINES, address=ANY_ADDRESS)
def test_E3_nothing_that_comes_in_makes_a_header(task, line, name, address):
    to = Recipient.model_construct(role=RecipientRole.ORDERER, email=address, name=name)
    letter = write(typed(task, line), HEAD)
    try:
        raw = compose(letter, SENDER, to, task.mail_id, task.date, task.language)
    except UnsendableAddress:
        return
    message = message_from_bytes(raw, policy=STRICT)
    assert list(message.keys()) == HEADERS
    assert len(message["To"].addresses) == 1
    assert not {10, 13} & set(raw.replace(b"\r\n", b""))
    for part in message.walk():
        assert not part.defects
        assert {header.lower() for header in part} - {each.lower() for each in HEADERS} <= {
            "content-transfer-encoding",
            "content-disposition",
        }
    names = [part.get_filename() for part in message.iter_attachments()]
    assert names == [file.name for file in letter.attachments]

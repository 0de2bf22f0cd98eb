"""Whatever comes in with an event, a mail has its own headers and no other."""

from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Sender, UnsendableAddress, compose
from servicecert_notifier.operator.samples import samples
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.values import Language

STRICT = policy.SMTP.clone(raise_on_defect=True)
SENDER = Sender.read("Varmenteet <ca@example.fi>")
EVERY_TASK = [task for language in Language for _, task in samples(language)]
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
ADDRESSES = st.from_regex(r'[^@\s<>,;:"\\\x00-\x1f]{1,64}@[^@\s<>,;:"\\\x00-\x1f]{1,100}', fullmatch=True)


def tainted(content, line):
    """The content with the line wherever a text stands that somebody may have typed."""
    typed = {"applied_for", "unit", "dns", "customer_reference", "deficiencies", "lacking", "reasons", "subject"}
    changes = {
        name: (line,) if isinstance(getattr(content, name), tuple) else line
        for name in typed & set(type(content).model_fields)
    }
    return content.model_copy(update=changes)


@given(task=st.sampled_from(EVERY_TASK), line=LINES, name=LINES, address=ADDRESSES)
def test_E3_nothing_that_comes_in_makes_a_header(task, line, name, address):
    to = Recipient.model_construct(role=RecipientRole.ORDERER, email=address, name=name)
    letter = write(task.model_copy(update={"content": tainted(task.content, line)}), "help@example.fi")
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

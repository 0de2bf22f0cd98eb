"""The lines of a mail's text part: short whatever is filled in, and the same text to a program that joins them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from servicecert_notifier.domain.task import MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Letter, flowed

from .sample_mails import EVERY_MAIL, HEAD, sent_text, typed, unflowed

LONGEST = 78
"""RFC 5322, 2.1.1, and RFC 3676, 4.2."""

LINES = st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=300))


@given(LINES)
@example(["x" * 74, "x" * 75, "x" * 73 + "  y", "> quoted", "From here", " a", "-- ", ""])
@example(["word " * 40, "http://crl.example.fi/" + "a" * 300, "4D:" * 100, "ä" * 1000])
def test_C2_lines_are_short_and_a_program_that_knows_the_format_joins_them(lines):
    text = "\n".join(line.strip(" ") for line in lines)
    shown = flowed(text)
    assert all(len(line) <= LONGEST for line in shown.split("\n"))
    assert unflowed(shown) == text
    assert not [line for line in shown.split("\n") if line.startswith((">", "From "))], "no quotation, no mbox line"


def longest(task: MailTask, word: str) -> MailTask:
    """The task with the longest texts that its event can have."""
    changes: dict[str, object] = {}
    if hasattr(task.content, "serial"):
        changes |= {"serial": "7f" * 20, "serial_decimal": str(int("7f" * 20, 16))}
        changes |= {"subject": f"CN={word[:64]},2.5.4.5=9912340-5,OU={word[:64]},O={word[:64]},C=FI"}
    if hasattr(task.content, "crl_url"):
        changes |= {"crl_url": f"http://{word}"}
    return typed(task, word, 100, **changes)


@EVERY_MAIL
@pytest.mark.parametrize(
    "word", ["x" * 2000, "ä-" * 1000, "word " * 400, "a." * 1000], ids=["x", "ä-", "words", "name"]
)
def test_C2_no_line_of_any_mail_is_long_and_no_command_is_divided_within_a_word(task, word):
    letter = write(longest(task, word), HEAD.model_copy(update={"contact": f"{'a' * 64}@{'b' * 180}.example.fi"}))
    lines = sent_text(letter).split("\n")
    assert not [line for line in lines if len(line) > LONGEST]
    commands = [line for line in letter.text.split("\n") if line.startswith("    ")]
    shown = " ".join(line.removesuffix(" \\") for line in lines if line.startswith(" " * 5))
    assert shown.split() == " ".join(commands).split()
    continued = re.findall(r"(?m)^ {5}(\S+) .*\\$", "\n".join(lines))
    assert set(continued) <= {"openssl", "cat", "keytool"}, "no line of a server's configuration"


def test_C2_a_long_command_is_continued_as_the_shell_does_it():
    text = "Run:\n\n    " + "openssl x509 " + "-in some-file.pem " * 6 + "\n"
    assert flowed(text) == (
        "Run:\n\n     openssl x509 -in some-file.pem -in some-file.pem -in some-file.pem -in \\\n"
        "       some-file.pem -in some-file.pem -in some-file.pem\n"
    )
    assert sent_text(Letter("s", text, "h")) == flowed(text)

"""Prepared templates: they say to the letter what the template engine says, in lines as mail has them."""

from binascii import a2b_qp

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_notifier.mail.domain.letters import bodies, write
from servicecert_notifier.mail.domain.message import Bodies, bodies_of
from servicecert_notifier.mail.domain.prepared import Prepared, marked, shape_of
from servicecert_notifier.mail.domain.samples import samples
from servicecert_schemas import Language

SAMPLES = [(name, language, task) for language in Language for name, task in samples(language)]
WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=120)


def said(written: Bodies):
    """What bodies say, where each keeps to the lines of quoted-printable (RFC 2045 section 6.7)."""
    for body in (written.text, written.page):
        lines = body.split(b"\r\n")
        assert body.isascii()
        assert all(len(line) <= 76 and not {9, 10, 13, 32} & {*line[-1:]} and b"\n" not in line for line in lines)
    return written.subject, a2b_qp(written.text), a2b_qp(written.page), written.attachments


@pytest.mark.parametrize(("name", "language", "task"), SAMPLES, ids=[f"{name}.{lang}" for name, lang, _ in SAMPLES])
@pytest.mark.parametrize("contact", ["help@example.fi", "100 % <b>ä</b> & {{ x }} = \U000f0000\r\n.\n" + "long " * 40])
def test_a_prepared_mail_is_what_the_engine_writes(name, language, task, contact):
    assert said(bodies(task, contact)) == said(bodies_of(write(task, contact)))


@given(st.sampled_from(SAMPLES), WORD.filter(bool))
def test_whatever_is_filled_in_a_prepared_mail_is_what_the_engine_writes(sample, contact):
    task = sample[2]
    assert said(bodies(task, contact)) == said(bodies_of(write(task, contact)))


def test_a_shape_tells_what_conditions_see_and_no_words():
    shape, words = shape_of({"a": "x", "b": "", "c": ("y", "z"), "d": None, "e": 7})
    assert words == ("x", "y", "z")
    same, others = shape_of({"a": "other", "b": "", "c": ("1", "2"), "d": None, "e": 7})
    assert (same, others) == (shape, ("other", "1", "2"))
    filling = marked(shape)
    several = filling["c"]
    assert isinstance(several, tuple)
    text = f"{several[1]} 5 %\nfixed {several[0]}{filling['a']}\n{filling['a']}{filling['b']}\n{several[0]}"
    _, told, shown, _ = said(Prepared.read("s", text, text).filled(("<" * 80, "y ", "\n z=")))
    assert told == b"%s" % (b"\r\n z= 5 %\r\nfixed y " + b"<" * 80 + b"\r\n" + b"<" * 80 + b"\r\ny ")
    assert shown == told.replace(b"<", b"&lt;")

"""Prepared templates: the bytes are those that the template engine and the encoders make of the whole letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_notifier.letters import bodies, write
from servicecert_notifier.message import bodies_of
from servicecert_notifier.prepared import Prepared, marked, shape_of
from servicecert_notifier.samples import samples
from servicecert_schemas import Language

SAMPLES = [(name, language, task) for language in Language for name, task in samples(language)]
WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=120)


@pytest.mark.parametrize(("name", "language", "task"), SAMPLES, ids=[f"{name}.{lang}" for name, lang, _ in SAMPLES])
@pytest.mark.parametrize("contact", ["help@example.fi", "100 % <b>ä</b> & {{ x }} = \U000f0000\r\n.\n" + "long " * 40])
def test_a_prepared_mail_is_what_the_engine_writes(name, language, task, contact):
    assert bodies(task, contact) == bodies_of(write(task, contact))


@given(st.sampled_from(SAMPLES), WORD.filter(bool))
def test_whatever_is_filled_in_a_prepared_mail_is_what_the_engine_writes(sample, contact):
    task = sample[2]
    assert bodies(task, contact) == bodies_of(write(task, contact))


def test_a_shape_tells_what_conditions_see_and_no_words():
    shape, words = shape_of({"a": "x", "b": "", "c": ("y", "z"), "d": None, "e": 7})
    assert words == ("x", "y", "z")
    same, others = shape_of({"a": "other", "b": "", "c": ("1", "2"), "d": None, "e": 7})
    assert (same, others) == (shape, ("other", "1", "2"))
    filling = marked(shape)
    several = filling["c"]
    assert isinstance(several, tuple)
    text = f"{several[1]} 5 %\nfixed\n{filling['a']}{filling['b']}\n"
    assert Prepared.read("s", text, text).filled(words).text == b"z 5 %\r\nfixed\r\nx\r\n"

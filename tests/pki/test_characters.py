from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.characters import LETTERS, escaped, foreign_letters, is_visible, one_line, without_invisible

anything = st.text(st.characters())


@given(anything)
def test_f5_an_escaped_text_has_no_character_that_moves_a_terminal(text: str) -> None:
    shown = escaped(text)
    assert all(is_visible(each) or each == "\n" for each in shown)
    assert escaped(shown) == shown


def test_f5_escape_sequences_are_shown_as_such() -> None:
    assert escaped("\x1b[2Ja\u202eb\x9bc\u200b\n\ud800") == "\\x1b[2Ja\\u202eb\\x9bc\\u200b\n\\ud800"
    assert escaped("Åbo 🏥 “x”") == "Åbo 🏥 “x”"


@given(anything)
def test_a_line_has_no_control_or_invisible_character(text: str) -> None:
    line = one_line(text)
    assert without_invisible(line) == line == line.strip()
    assert not any(each < " " or "\x7f" <= each <= "\x9f" or each in "\u2028\u2029" for each in line)


@given(st.text(st.sampled_from(sorted(LETTERS))))
def test_no_letter_of_certificates_is_foreign(text: str) -> None:
    assert foreign_letters(text) == ()


def test_foreign_letters_are_shown_each_once_in_order() -> None:
    assert foreign_letters("K\u0430nt\u0430 \u2167") == ("\u0430", "\u2167")
    assert foreign_letters("Kanta¹ 2™ – “x” O\u0308") == ()

"""F5: what others wrote moves no terminal."""

from hypothesis import given
from hypothesis import strategies as st
from servicecert_cli.terminal.output import escaped
from servicecert_schemas.characters import is_visible


@given(st.text(st.characters()))
def test_f5_an_escaped_text_has_no_character_that_moves_a_terminal(text: str) -> None:
    shown = escaped(text)
    assert all(is_visible(each) or each == "\n" for each in shown)
    assert escaped(shown) == shown


def test_f5_escape_sequences_are_shown_as_such() -> None:
    assert escaped("\x1b[2Ja\u202eb\x9bc\u200b\n\ud800") == "\\x1b[2Ja\\u202eb\\x9bc\\u200b\n\\ud800"
    assert escaped("Åbo 🏥 “x”") == "Åbo 🏥 “x”"

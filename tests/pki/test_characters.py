from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.names import LETTERS, foreign_letters


@given(st.text(st.sampled_from(sorted(LETTERS))))
def test_no_letter_of_certificates_is_foreign(text: str) -> None:
    assert foreign_letters(text) == ()


def test_foreign_letters_are_shown_each_once_in_order() -> None:
    assert foreign_letters("a\u2800\u2811") == ("\u2800", "\u2811")
    assert foreign_letters("K\u0430nt\u0430 \u2167") == ("\u0430", "\u2167")
    assert foreign_letters("Kanta¹ 2™ – “x” O\u0308") == ()

"""The texts of the revocation reasons (D2)."""

import pytest
from servicecert_schemas.revocation import REASONS, RevocationReason, reason_named


@pytest.mark.parametrize("reason", RevocationReason)
def test_D2_each_reason_is_found_by_its_code_and_by_its_words_in_each_language(reason):
    texts = REASONS[reason]
    for text in (reason.value, texts.sv, texts.fi, texts.en):
        assert reason_named(text) is reason
        assert reason_named(f"  {text.upper()}. ".replace(" ", "  ")) is reason


def test_D2_other_words_name_no_reason():
    assert [reason_named(text) for text in ("", "certificateHold", "removeFromCRL", "förlorat")] == [None] * 4

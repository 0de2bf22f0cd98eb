"""The texts of the revocation reasons (D2)."""

import pytest
from servicecert_schemas.event import Role
from servicecert_schemas.open_list import UnknownMember
from servicecert_schemas.reasons import ALLOWED, REASONS, may_give, reason_named
from servicecert_schemas.revocation import RevocationReason


@pytest.mark.parametrize("reason", RevocationReason)
def test_D2_each_reason_is_found_by_its_code_and_by_its_words_in_each_language(reason):
    texts = REASONS[reason]
    for text in (reason.value, texts.sv, texts.fi, texts.en):
        assert reason_named(text) is reason
        assert reason_named(f"  {text.upper()}. ".replace(" ", "  ")) is reason


def test_D2_other_words_name_no_reason():
    assert [reason_named(text) for text in ("", "certificateHold", "removeFromCRL", "förlorat")] == [None] * 4


def test_D2_each_role_has_its_reasons_and_the_authority_keeps_one_for_itself():
    own = RevocationReason.PRIVILEGE_WITHDRAWN
    assert set(ALLOWED) == set(Role)
    assert [role for role in Role if own in ALLOWED[role]] == [Role.OPERATOR]
    assert ALLOWED[Role.TECHNICAL_CONTACT] == {RevocationReason.KEY_EXPOSED}


def test_D2_a_role_gives_the_reasons_that_it_has_and_an_unknown_one_none():
    for role in Role:
        assert {reason for reason in RevocationReason if may_give(role, reason)} == ALLOWED[role]
    assert not any(may_give(UnknownMember("auditor"), reason) for reason in (*RevocationReason, UnknownMember("lost")))


def test_D2_an_unknown_reason_is_for_those_who_may_give_every_reason_of_a_customer():
    may = {role for role in Role if may_give(role, UnknownMember("lost"))}
    assert {Role.COLLEAGUE, Role.OPERATOR} <= may
    assert Role.TECHNICAL_CONTACT not in may

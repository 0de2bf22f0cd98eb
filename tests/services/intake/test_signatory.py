"""A8: who signs an application for a system signature certificate, and when."""

from dataclasses import replace
from datetime import timedelta

import pytest
from servicecert_intake.domain.case import Case
from servicecert_schemas.case import CaseState
from servicecert_schemas.membership import NO_ACCOUNTS, accounts_after
from services.intake.conftest import MINUTE, NOW, OPENED, from_own_account, opened

PROVIDER = {
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900001-8"},
    "unit_long_name": "Saduniemen terveysasema",
}
SECOND = timedelta(seconds=1)
INVISIBLE = "\u200b\u202e\u2066\ufeff\u00ad\u3164\ufe0f\U000e0041"


def signed(**changes):
    return {"name": "Aino Keksitty", "title": "johtaja", "signed_at": NOW, **changes}


@pytest.mark.parametrize(
    "signatory", [None, signed(name=" "), signed(title=""), signed(name=INVISIBLE), signed(title="\u00a0\u2800")]
)
def test_A8_a_missing_signatory_is_returned(returns, signature_form, signatory):
    returns("signatory-missing", signature_form, signatory=signatory, **PROVIDER)


@pytest.mark.parametrize("typed", ["-", "123", "☺", "\u0308", f"{INVISIBLE}?", "\x07", "²"])
@pytest.mark.parametrize("field", ["name", "title"])
def test_A8_a_name_or_title_without_letters_is_returned(returns, signature_form, typed, field):
    view = returns("signatory-without-letters", signature_form, signatory=signed(**{field: typed}), **PROVIDER)
    (lack,) = view.deficiencies
    assert lack.field == f"signatory.{field}"
    assert typed in lack.texts.fi or not typed.isprintable()


def test_A8_A10_what_else_is_wrong_with_a_signatory_without_a_title_is_told_too(returns, signature_form):
    late = NOW + timedelta(days=1)
    codes = {"signatory-missing", "signatory-without-letters", "signed-in-future"}
    returns(codes, signature_form, signatory=signed(title="", name="-", signed_at=late), **PROVIDER)


def test_A8_a_server_certificate_needs_no_signatory(accepts):
    accepts(signatory=None)
    accepts(signatory=signed(name="-", signed_at=NOW + timedelta(days=1)))


@pytest.mark.parametrize("at", [OPENED - 5 * MINUTE, OPENED, NOW - timedelta(days=1), NOW, NOW + 5 * MINUTE])
def test_A8_who_signed_since_the_account_exists_is_right(accepts, signature_form, at):
    accepts(signature_form, signatory=signed(signed_at=at), **PROVIDER)


@pytest.mark.parametrize("at", [NOW + 5 * MINUTE + SECOND, NOW + timedelta(days=400)])
def test_A8_a_signature_in_the_future_is_returned(returns, signature_form, at):
    returns("signed-in-future", signature_form, signatory=signed(signed_at=at), **PROVIDER)


def test_A8_a_signature_before_the_account_existed_is_returned(returns, signature_form):
    returns(
        "signed-before-account", signature_form, signatory=signed(signed_at=OPENED - 5 * MINUTE - SECOND), **PROVIDER
    )


def test_A8_an_account_exists_since_it_was_first_opened():
    again = [replace(opened("account-1"), time=at) for at in (NOW, OPENED - 365 * timedelta(days=1))]
    assert accounts_after(NO_ACCOUNTS, [opened("account-1"), *again])["account-1"].opened_at == OPENED


def future(submit, signature_form) -> Case:
    case: Case = submit(signature_form, csr=None, signatory=signed(signed_at=NOW + 60 * MINUTE), **PROVIDER).state
    return case


def test_A8_a_signature_in_the_future_does_not_become_right_when_the_request_is_attached(
    submit, signature_form, happen, happenings, known
):
    attached = replace(happenings["request attached"], time=NOW + 120 * MINUTE)
    case = future(submit, signature_form)
    decision = happen(attached, case, now=attached.time, known=from_own_account(known, case.form))
    assert [each.code for each in decision.state.deficiencies] == ["signed-in-future"]


def test_A8_a_case_stored_by_an_earlier_version_is_judged_by_its_newest_part(
    submit, signature_form, happen, happenings, known
):
    attached = replace(happenings["request attached"], time=NOW + 120 * MINUTE)
    case = replace(future(submit, signature_form), form_sent_at=None)
    decision = happen(attached, case, now=attached.time, known=from_own_account(known, case.form))
    assert decision.state.state is CaseState.ACCEPTED

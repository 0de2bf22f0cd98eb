"""A9: the mark of a Kanta intermediary, in any spelling."""

import unicodedata
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_intake.domain.rules.applicant import MARKS, mark_of, with_canonical_mark
from servicecert_schemas.application import ApplicationSubmitted, Form
from servicecert_schemas.case import CaseState
from servicecert_schemas.characters import cleaned
from servicecert_schemas.event import Actor
from services.intake.conftest import CASE_ID, COLLEAGUE, GOOD_CSR, INTERMEDIARY_FORM, event, from_own_account

DASHES = (
    "-",
    "\u2010",
    "\u2011",
    "\u2012",
    "\u2013",
    "\u2014",
    "\u2015",
    "\u2212",
    "\ufe63",
    "\uff0d",
    "\u00ad",
    "",
    " ",
)
BLANK = st.text(st.sampled_from(" \u00a0\u2009\u202f\t"), max_size=2)
FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@st.composite
def spellings(draw) -> tuple[str, str]:
    """Return a mark, and another spelling of it."""
    mark = draw(st.sampled_from(MARKS))
    first, second = mark.split("-")
    cased = ["".join(draw(st.sampled_from((each.lower(), each.upper()))) for each in word) for word in (first, second)]
    typed = draw(BLANK) + draw(BLANK).join((cased[0], draw(st.sampled_from(DASHES)), cased[1])) + draw(BLANK)
    return mark, unicodedata.normalize(draw(st.sampled_from(FORMS)), typed)


@given(spellings())
def test_A9_any_spelling_of_the_mark_is_recognised(spelling):
    mark, typed = spelling
    assert mark_of(cleaned(typed)) == mark


@pytest.mark.parametrize(
    "typed",
    ["", "-", "Kanta", "Kanta-valittaja", "Kanta-välittäjät", "Oy Kanta-välittäjä", "Kanta/välittäjä", "Kanta."],
)
def test_A9_other_letters_are_no_mark(typed):
    assert mark_of(typed) is None


@pytest.mark.parametrize(
    ("typed", "mark"),
    [
        ("Kanta-förmedlare", "Kanta-förmedlare"),
        ("KANTA–VÄLITTÄJÄ", "Kanta-välittäjä"),
        ("kanta fo\u0308rmedlare", "Kanta-förmedlare"),
        (" Kanta\u00a0\u2011 välittäjä ", "Kanta-välittäjä"),
    ],
)
@pytest.mark.parametrize("type", ["test-system-signature", "test-server"])
def test_A9_a_listed_intermediary_s_mark_is_stored_in_its_canonical_form(
    accepts, intermediary_form, contact, typed, mark, type
):
    server = {"names": {"dns": ["a.example.fi"]}, "usages": ["client-auth"]} if type == "test-server" else {}
    decision = accepts(intermediary_form, type=type, technical_contact={**contact, "organisation": typed}, **server)
    assert decision.state.form.technical_contact.organisation == mark


@pytest.mark.parametrize("typed", ["Kanta-välittäjä", "KANTA FÖRMEDLARE", "kanta–välittäjä"])
def test_A9_any_spelling_of_one_who_is_not_listed_is_returned_and_quoted(submit, returns, contact, typed):
    about = {"technical_contact": {**contact, "organisation": typed}}
    (lack,) = returns("intermediary-mark-unfounded", **about).deficiencies
    assert f"“{typed}”" in lack.texts.en
    assert f"”{typed}”" in lack.texts.sv
    assert submit(**about).state.form.technical_contact.organisation == typed


def test_A9_a_form_with_another_organisation_is_the_same_object():
    for organisation in ("Kanta-välittäjä", "Unelmasilta"):
        contact = {**INTERMEDIARY_FORM["technical_contact"], "organisation": organisation}
        form = Form.model_validate({**INTERMEDIARY_FORM, "technical_contact": contact})
        assert with_canonical_mark(form) is form


def test_A1_A9_the_same_application_in_another_spelling_of_the_mark_was_already_received(happen, known, contact):
    form = Form.model_validate(
        {**INTERMEDIARY_FORM, "technical_contact": {**contact, "organisation": "kanta välittäjä"}}
    )
    submitted = ApplicationSubmitted(case_id=CASE_ID, actor=Actor.model_validate(COLLEAGUE), form=form, csr="sent")
    own = from_own_account(known, form)
    case = happen(event(submitted, GOOD_CSR), known=own).state
    again = happen(event(submitted, GOOD_CSR, id=UUID(int=9)), case, known=own).state
    assert (again.state, again.answer.code) == (CaseState.ACCEPTED, "already-received")

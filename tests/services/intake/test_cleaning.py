"""A8: all typed text is cleaned once of what nobody sees, before any rule looks at it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.cleaning import cleaned_attachment, cleaned_form, cleaned_text
from servicecert_intake.domain.registers.snapshot import Registers, apply
from servicecert_schemas.application import ApplicationSubmitted, Attachment, Form
from servicecert_schemas.event import Actor
from servicecert_schemas.register import LongNames, Organisation, RegisterEntry
from services.intake.conftest import CASE_ID, COLLEAGUE, CONFORMITY, GOOD_CSR, NOW, SIGNATURE_FORM, event

EVERYTHING: dict[str, Any] = {
    **SIGNATURE_FORM,
    "applicant": {"business_id": "9900058-7", "organisation_oid": "1.2.246.10.99000587"},
    "names": {"dns": ["a.example.fi", "b.example.fi"], "ip": ["193.166.2.1"]},
    "usages": ["server-auth"],
    "shared_mailbox": "shared@onnela.example.fi",
    "start_date": "2026-12-01",
    "validity_days": 30,
    "follows": "0a0b",
    "customer_reference": "tilaus 17",
}
UNSEEN = (
    *("\u00ad", "\u034f", "\u061c", "\u115f", "\u17b4", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f"),
    *("\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff0"),
    *("\U0001d173", "\U000e0041", "\U000e0100"),
)
BLANKS = ("\u00a0", "\u1680", "\u2003", "\u202f", "\u205f", "\u2800", "\u3000", " ")
unseen = st.text(st.sampled_from(UNSEEN), max_size=3)
typed_text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from([*UNSEEN, *BLANKS]), max_size=60)


def sprinkled(draw: Any, text: str) -> str:
    """Return the text with unseen characters anywhere, other blanks, and blanks at its ends."""
    inside = "".join(draw(unseen) + (draw(st.sampled_from(BLANKS)) if each == " " else each) for each in text)
    return f"{draw(st.sampled_from(BLANKS))}{inside}{draw(unseen)}{draw(st.sampled_from(BLANKS))}"


def every_text(part: Any, change: Any, name: str = "") -> Any:
    """Return the written form with each typed text changed."""
    if isinstance(part, dict):
        return {name: every_text(each, change, name) for name, each in part.items()}
    if isinstance(part, list):
        return [every_text(each, change, name) for each in part]
    chosen = {"type", "language", "applying_as", "usages", "start_date", "signed_at"}
    return change(part) if isinstance(part, str) and name not in chosen else part


@given(st.data())
def test_A8_what_nobody_sees_changes_nothing_in_any_field_of_the_form(data):
    typed = Form.model_validate(every_text(EVERYTHING, lambda text: sprinkled(data.draw, text)))
    assert cleaned_form(typed) == Form.model_validate(EVERYTHING)


@given(typed_text)
def test_A8_a_cleaned_text_is_not_longer_and_is_clean(typed):
    once = cleaned_text(typed)
    assert len(once) <= len(typed)
    assert cleaned_text(once) == once == once.strip()
    assert not set(once) & {*UNSEEN, *BLANKS} - {" "}


@pytest.mark.parametrize(
    "typed", ["Åsa Öberg-Ääri", "a  b", "Оля 李 Ünïcode", "e\u0301", "a\tb", "a\nb", "a\x07b", "\ufffd"]
)
def test_A8_what_people_see_and_what_the_rules_answer_stays(typed):
    assert cleaned_text(typed) == typed


def test_A8_a_clean_form_is_the_same_object():
    form = Form.model_validate(EVERYTHING)
    assert cleaned_form(form) is form


def test_A8_an_attachment_s_reference_and_hash_are_strict():
    right = Attachment.model_validate(CONFORMITY)
    typed = right.model_copy(
        update={
            "reference": "urn:\u200b1",
            "system_id": "\ufeffFIKTIO-1002\u00a0",
            "certificate_number": " TODISTUS-2025-003",
        }
    )
    assert cleaned_attachment(typed) == right.model_copy(update={"reference": "urn:\u200b1"})
    assert cleaned_attachment(right) is right


def test_A8_the_case_keeps_shows_and_certifies_the_cleaned_text(happen):
    form = {
        **EVERYTHING,
        "type": "test-server",
        "unit_long_name": "Onnelan\u00a0VI\u200b apteekki",
        "customer_reference": "\u202etilaus\u202c 17\ufeff",
        "orderer": {"name": "\u2067Urho Kuviteltu\u2069", "email": "urho\u200b@onnela.example.fi"},
        "follows": None,
        "start_date": None,
    }
    submitted = ApplicationSubmitted(
        case_id=CASE_ID, actor=Actor.model_validate(COLLEAGUE), form=Form.model_validate(form), csr="sent"
    )
    decision = happen(event(submitted, GOOD_CSR))
    view, accepted = decision.events
    assert decision.state.form.orderer.name == "Urho Kuviteltu"
    assert view.applied_for.customer_reference == "tilaus 17"
    assert (accepted.recipients[0].name, accepted.recipients[0].email) == ("Urho Kuviteltu", "urho@onnela.example.fi")
    assert accepted.subject.organisational_unit == "Onnelan VI apteekki"


def test_A8_a_form_that_an_earlier_version_stored_is_cleaned_when_it_is_read(submit):
    case = submit(usages=[]).state
    stored = TypeAdapter(Case).dump_python(case, mode="json")
    stored["form"]["orderer"]["email"] = " urho@onnela.example.fi\u200b"
    assert TypeAdapter(Case).validate_python(stored) == case


def test_A6_a_register_s_name_is_cleaned_as_a_typed_one(registers: Registers):
    entry = Organisation(
        oid="1.2.246.10.99000587.10.9",
        business_id="9900058-7",
        registered_name="Apteekkari\u00a0Urho Kuviteltu",
        names=LongNames(fi="Pehmeä\u00adtavu"),
        sector="private",
        organisation_kind="pharmacy",
        valid_from=NOW.date(),
    )
    later = apply(registers, [("soft", RegisterEntry(entry_id="soft", entry=entry))])
    (unit,) = later.units_named("Pehmeätavu", NOW.date())
    assert (unit.registered_name, unit.name_fi) == ("Apteekkari Urho Kuviteltu", "Pehmeätavu")

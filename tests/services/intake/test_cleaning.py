"""A8: the rules judge, and the case keeps, shows and certifies, text that is cleaned of what nobody sees."""

from typing import Any

from pydantic import TypeAdapter
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.registers.snapshot import Registers, apply
from servicecert_schemas.application import ApplicationSubmitted, Form
from servicecert_schemas.event import Actor
from servicecert_schemas.register import LongNames, Organisation, RegisterEntry
from services.intake.conftest import CASE_ID, COLLEAGUE, GOOD_CSR, NOW, SIGNATURE_FORM, event

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

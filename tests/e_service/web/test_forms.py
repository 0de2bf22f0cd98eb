"""The forms: what is asked of whom, and what becomes of what was typed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from browsers import CHECKOUT, SERVER
from portal import forms
from portal.forms import Fault, Kind, capacities, fields_of, form_of, place_of, typed_of
from servicecert_schemas import ApplyingAs, CertificateType, Deficiency, Language, Texts

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
KINDS = [
    Kind(type, capacity, is_public)
    for type in CertificateType
    for capacity in capacities(type)
    for is_public in (True, False)
]
CODES = (CHECKOUT / "docs" / "reference" / "codes.md").read_text()
UNASKED = {"type", "applicant.business_id", "applicant.organisation_oid"}
"""The fields of deficiencies that no form has: the case's page shows these in the summary alone."""


def paths(kind):
    return {field.path for fields in fields_of(kind).values() for field in fields}


def filled(kind, **changed):
    """Return a form with a word in each field."""
    words = {"email": "a@example.fi", "date": "2026-12-01", "int": "365", "lines": "a.example.fi b.example.fi"}
    typed = {
        field.path: list(field.choices) or [words.get(field.widget, "Ord")]
        for fields in fields_of(kind).values()
        for field in fields
    }
    return form_of(kind, typed | changed, business_id="9900001-8", language=Language.FINNISH, now=NOW)


def test_every_field_of_the_event_is_asked_or_known():
    asked = {path for group in forms.GROUPS.values() for path in group}
    assert asked | forms.NOT_ASKED == set(forms.FIELDS)
    assert not asked & forms.NOT_ASKED


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_only_what_the_type_and_the_applicant_need_is_asked(kind):
    asked = paths(kind)
    assert ("names.dns" in asked) == ("usages" in asked) == kind.type.is_server
    assert ("signatory.name" in asked) == ("information_system.name" in asked) == (not kind.type.is_server)
    is_private_production = kind.type is CertificateType.SYSTEM_SIGNATURE and not kind.is_public
    assert ("attachments" in asked) == is_private_production
    assert {"unit_long_name", "orderer.email", "technical_contact.organisation", "csr"} <= asked


def test_A8_a_supplier_is_not_offered_a_system_signature():
    assert ApplyingAs.IT_SUPPLIER in capacities(CertificateType.SERVER)
    assert ApplyingAs.IT_SUPPLIER not in capacities(CertificateType.TEST_SYSTEM_SIGNATURE)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_form_that_is_filled_in_is_the_events_form_and_back(kind):
    form, faults = filled(kind)
    assert faults == []
    assert form is not None
    again, _ = form_of(kind, typed_of(form), business_id="9900001-8", language=Language.FINNISH, now=NOW)
    assert again == form
    assert (form.signatory is not None and form.signatory.signed_at == NOW) == (not kind.type.is_server)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_empty_form_names_each_field_that_is_needed_once(kind):
    form, faults = form_of(kind, {}, business_id="9900001-8", language=Language.FINNISH, now=NOW)
    needed = {
        field.path
        for group, fields in fields_of(kind).items()
        if group in forms.GROUPS
        for field in fields
        if field.needed
    }
    assert form is None
    assert sorted(faults, key=str) == sorted((Fault(path, "missing") for path in needed), key=str)


@pytest.mark.parametrize(
    ("path", "typed", "code"),
    [
        ("orderer.name", "x" * 201, "too-long"),
        ("orderer.email", "x" * 501, "too-long"),
        ("names.dns", " ".join(f"{number}.example.fi" for number in range(101)), "too-many"),
        ("names.dns", f"a.example.fi {'x' * 501}", "too-long"),
        ("start_date", "1.12.2026", "malformed"),
        ("validity_days", "a year", "malformed"),
        ("validity_days", "0", "malformed"),
        ("usages", "code-signing", "malformed"),
    ],
)
def test_what_the_event_cannot_hold_is_said_at_its_field(path, typed, code):
    form, faults = filled(KINDS[0], **{path: [typed]})
    assert form is None
    assert faults == [Fault(path, code)]


@pytest.mark.parametrize("typed", ["not an address", "å" * 200, "a\x00b", "  x  ", "\u202e"])
def test_a_persons_mistake_is_sent_as_typed(typed):
    form, faults = filled(KINDS[0], **{"orderer.email": [typed]})
    assert faults == []
    assert form is not None


@pytest.mark.parametrize("typed", ["a.fi\nb.fi", "a.fi, b.fi", "a.fi;b.fi", " a.fi \r\n\r\n b.fi "])
def test_names_are_taken_however_they_are_separated(typed):
    form, _ = filled(KINDS[0], **{"names.dns": [typed]})
    assert form is not None
    assert form.names.dns == ("a.fi", "b.fi")


def test_A9_the_mark_of_an_intermediary_is_filled_in_for_it_alone():
    for capacity in ApplyingAs:
        values = forms.first_values(Kind(CertificateType.SERVER, capacity, True), Language.FINNISH, "Aava")
        mark = values.get("technical_contact.organisation")
        assert mark == (["Kanta-välittäjä"] if capacity is ApplyingAs.KANTA_INTERMEDIARY else None)


def deficiencies():
    """Yield the field of each deficiency that the authority knows."""
    return sorted(set(re.findall(r"^\| `[a-z-]+` \| deficiency: \w+ \| `([a-z_.]+)` \|", CODES, re.MULTILINE)))


@pytest.mark.parametrize("field", deficiencies())
def test_A10_every_deficiency_has_its_place(field):
    deficiency = Deficiency(code="x", field=field, texts=Texts(sv="", fi="", en=""))
    places = set()
    for type in CertificateType:
        groups = fields_of(Kind(type, ApplyingAs.CARE_PROVIDER, False)).values()
        fields = [forms.Field("applying_as", "choice"), *(each for group in groups for each in group)]
        places.add(place_of(deficiency, fields))
    assert (places == {None}) == (field in UNASKED)
    assert all(place is None or place.startswith(field.split(".")[0]) for place in places)


def test_the_form_that_the_tests_send_is_whole():
    typed = {path: [text] for path, text in SERVER.items()}
    kind = Kind(CertificateType.SERVER, ApplyingAs.CARE_PROVIDER, True)
    assert form_of(kind, typed, business_id="9900001-8", language=Language.SWEDISH, now=NOW)[1] == []

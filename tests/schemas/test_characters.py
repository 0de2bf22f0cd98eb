"""A8, D1, D5: every typed text is cleaned of what nobody sees when it is read, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from servicecert_schemas.application import Attachment, CsrAttached, Form
from servicecert_schemas.certificate import Recipient
from servicecert_schemas.characters import cleaned, one_line
from servicecert_schemas.event import Actor
from servicecert_schemas.register import Organisation
from servicecert_schemas.revocation import RevocationRequested
from servicecert_schemas.values import Value

UNSEEN = (
    *("\u00ad", "\u034f", "\u061c", "\u115f", "\u17b4", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f"),
    *("\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff0"),
    *("\U0001d173", "\U000e0041", "\U000e0100"),
)
BLANKS = ("\u00a0", "\u1680", "\u2003", "\u202f", "\u205f", "\u2800", "\u3000", " ")
unseen = st.text(st.sampled_from(UNSEEN), max_size=3)
typed_text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from([*UNSEEN, *BLANKS]), max_size=60)

ACTOR = {"user_id": "user-1", "account_id": "account-1", "assurance": "high", "role": "colleague"}
FORM = {
    "type": "test-server",
    "language": "fi",
    "applying_as": "pharmacy",
    "applicant": {"business_id": "9900058-7", "organisation_oid": "1.2.246.10.99000587"},
    "unit_long_name": "Onnelan VI apteekki",
    "signatory": {"name": "Aino Keksitty", "title": "johtaja", "signed_at": "2026-11-24T10:00:00Z"},
    "information_system": {"name": "Fiktio Apteekki", "system_id": "FIKTIO-1002"},
    "names": {"dns": ["a.example.fi", "b.example.fi"], "ip": ["193.166.2.1"]},
    "usages": ["server-auth"],
    "orderer": {"name": "Urho Kuviteltu", "email": "urho@onnela.example.fi"},
    "technical_contact": {
        "name": "Teppo Testaaja",
        "email": "teppo@onnela.example.fi",
        "phone": "+358 40 123",
        "organisation": "Kanta-välittäjä",
    },
    "shared_mailbox": "shared@onnela.example.fi",
    "start_date": "2026-12-01",
    "validity_days": 30,
    "follows": "0a0b",
    "customer_reference": "tilaus 17",
}
ATTACHMENT = {
    "kind": "conformity-certificate",
    "reference": "urn:onnela:1",
    "sha256": "0a" * 32,
    "size": 1,
    "media_type": "application/pdf",
    "system_id": "FIKTIO-1002",
    "certificate_number": "TODISTUS 2025 003",
    "valid_from": "2026-01-01",
    "valid_to": "2027-01-01",
}
REQUEST = {
    "case_id": "0d9bb3a2-5d0a-4c5e-8a43-4b7d6c1c9f10",
    "actor": ACTOR,
    "request_id": "0d9bb3a2-5d0a-4c5e-8a43-4b7d6c1c9f11",
    "serial_as_typed": "0A:0B 0C",
    "reason": "key-exposed",
    "explanation": "Avain oli väärässä paikassa.",
    "notify": {"email": "urho@onnela.example.fi", "language": "fi"},
    "sent_at": "2026-11-24T10:00:00Z",
}
ENTRY = {
    "oid": "1.2.246.10.99000587",
    "business_id": "9900058-7",
    "registered_name": "Apteekkari Urho Kuviteltu",
    "names": {"fi": "Onnelan VI apteekki", "sv": "Apoteket Onnela VI", "abbreviation": "Onnela VI"},
    "sector": "private",
    "organisation_kind": "pharmacy",
    "valid_from": "2020-01-01",
}
STRICT = {
    *("type", "language", "applying_as", "usages", "start_date", "signed_at", "kind", "reference", "sha256"),
    *("valid_from", "valid_to", "case_id", "actor", "request_id", "reason", "sent_at", "oid", "sector"),
    *("organisation_kind",),
}
"""The fields that nobody types, of those with letters. A business id is typed in a form, and strict in a register."""


def sprinkled(draw: Any, text: str) -> str:
    """Return the text with unseen characters anywhere, other blanks, and blanks at its ends."""
    inside = "".join(draw(unseen) + (draw(st.sampled_from(BLANKS)) if each == " " else each) for each in text)
    return f"{draw(st.sampled_from(BLANKS))}{inside}{draw(unseen)}{draw(st.sampled_from(BLANKS))}"


def every_text(part: Any, change: Any, strict: set[str]) -> Any:
    """Return the written value with each typed text changed."""
    if isinstance(part, dict):
        return {name: each if name in strict else every_text(each, change, strict) for name, each in part.items()}
    if isinstance(part, list):
        return [every_text(each, change, strict) for each in part]
    return change(part) if isinstance(part, str) else part


@pytest.mark.parametrize(
    ("model", "written", "strict"),
    [
        (Form, FORM, STRICT),
        (Attachment, ATTACHMENT, STRICT),
        (RevocationRequested, REQUEST, STRICT),
        (Organisation, ENTRY, STRICT | {"business_id"}),
    ],
)
@given(data=st.data())
def test_A8_D1_D5_what_nobody_sees_changes_no_typed_text(
    model: type[Value], written: dict[str, Any], strict: set[str], data: st.DataObject
) -> None:
    typed = every_text(written, lambda text: sprinkled(data.draw, text), strict)
    right = model.model_validate_json(json.dumps(written), strict=True)
    assert model.model_validate_json(json.dumps(typed), strict=True) == right
    assert model.model_validate_json(right.model_dump_json(), strict=True) == right


@pytest.mark.parametrize(
    ("model", "written", "strict"),
    [
        (Attachment, ATTACHMENT, "sha256"),
        (Attachment, ATTACHMENT, "kind"),
        (Actor, ACTOR, "user_id"),
        (Actor, ACTOR, "account_id"),
        (Organisation, ENTRY, "business_id"),
        (RevocationRequested, REQUEST, "case_id"),
    ],
)
def test_A8_a_strict_value_is_never_repaired(model: type[Value], written: dict[str, Any], strict: str) -> None:
    hidden = {**written, strict: f"{written[strict]}\u200b"}
    try:
        read = model.model_validate_json(json.dumps(hidden))
    except ValidationError:
        return
    assert str(getattr(read, strict)) == hidden[strict]


def test_A4_a_request_and_a_reference_are_as_they_came() -> None:
    csr = "\ufeff-----BEGIN CERTIFICATE REQUEST-----\u200b\n"
    assert CsrAttached(case_id=REQUEST["case_id"], actor=Actor.model_validate(ACTOR), csr=csr).csr == csr
    assert Attachment.model_validate({**ATTACHMENT, "reference": "urn:\u200b1"}).reference == "urn:\u200b1"


@given(typed_text)
def test_A8_a_cleaned_text_is_not_longer_and_is_clean(typed: str) -> None:
    once = cleaned(typed)
    assert len(once) <= len(typed)
    assert cleaned(once) == once == once.strip()
    assert not set(once) & {*UNSEEN, *BLANKS, "\0"} - {" "}
    assert Recipient.model_validate({"role": "orderer", "email": "a@b", "name": typed}).name == once


@pytest.mark.parametrize(
    "typed", ["Åsa Öberg-Ääri", "a  b", "Оля 李 Ünïcode", "e\u0301", "a\tb", "a\nb", "a\x07b", "\ufffd"]
)
def test_A8_what_people_see_and_what_the_rules_answer_stays(typed: str) -> None:
    assert cleaned(typed) == typed


anything = st.text(st.characters())


@given(anything)
def test_a_line_has_no_control_or_invisible_character(text: str) -> None:
    line = one_line(text)
    assert cleaned(line) == line
    assert not any(each < " " or "\x7f" <= each <= "\x9f" or each in "\u2028\u2029" for each in line)

"""Open lists take a newer writer's member, closed ones refuse it, in our reader and by the exported schemas.

What our readers do with such a member is in `test_newer_members.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from contracts.members import NEWER, Place, lists, places
from contracts.plain import plain_schema
from examples import encode
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from servicecert_schemas.codec import VERSIONS, Undecodable, decode
from servicecert_schemas.json_schemas import json_schema
from servicecert_schemas.mail import MailKind
from servicecert_schemas.open_list import Open, UnknownMember, value_of
from servicecert_schemas.values import Value

PLACES = places()
OPEN = [pytest.param(place, id=str(place)) for place in PLACES if place.is_open]
CLOSED = [pytest.param(place, id=str(place)) for place in PLACES if not place.is_open]


def definitions() -> dict[str, list[dict[str, Any]]]:
    """Return the definitions of each enumeration in the schemas of all events."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in VERSIONS.values():
        for name, definition in plain_schema(event).get("$defs", {}).items():
            if name in lists():
                found.setdefault(name, []).append(definition)
    return found


@pytest.mark.parametrize("name", lists())
def test_E1_each_list_says_whether_it_is_open_and_is_so_in_every_event(name: str) -> None:
    text = lists()[name].__doc__ or ""
    assert ("\n\n    Open: " in text) is not ("\n\n    Closed: " in text), "say what a reader does, or why it is closed"
    for definition in definitions()[name]:
        known = definition.get("x-extensible-enum" if "\n\n    Open: " in text else "enum")
        assert known == [member.value for member in lists()[name]]
        assert ("pattern" in definition) is ("x-extensible-enum" in definition)


def test_every_list_is_in_a_stored_record() -> None:
    assert {place.name for place in PLACES} == lists().keys()
    assert all(place.is_open is ("Open: " in (lists()[place.name].__doc__ or "")) for place in PLACES)


@pytest.mark.parametrize("place", OPEN)
def test_E1_a_newer_member_of_an_open_list_is_read_and_written_again(place: Place) -> None:
    envelope, data = decode(*place.raw())
    at: Any = data
    for step in place.path:
        at = at[step] if isinstance(step, int) else getattr(at, step)
    assert type(at) is UnknownMember
    assert at == NEWER
    assert decode(*place.raw()[:2], *encode(envelope, data)) == (envelope, data)


@pytest.mark.parametrize("place", OPEN)
def test_E1_the_exported_schema_takes_a_newer_member_of_an_open_list(place: Place) -> None:
    Draft202012Validator(json_schema(VERSIONS[place.type])).validate(place.value())


@pytest.mark.parametrize("place", CLOSED)
def test_E1_a_newer_member_of_a_closed_list_is_refused_with_the_field_and_the_known_members(place: Place) -> None:
    with pytest.raises(Undecodable) as refused:
        decode(*place.raw())
    assert refused.value.code == "wrong-schema"
    assert ".".join(map(str, place.path)) in _without_kinds(refused.value.text)
    assert all(f"'{member}'" in refused.value.text for member in lists()[place.name])
    assert NEWER not in refused.value.text
    assert not Draft202012Validator(json_schema(VERSIONS[place.type])).is_valid(place.value())


def _without_kinds(text: str) -> str:
    """Return the text without the kinds of register entries, which pydantic puts into the path of a field."""
    return text.replace("entry.organisation.", "entry.")


class Told(Value):
    kind: Open[MailKind]


@pytest.mark.parametrize("text", ["", "Capital", "two words", "-dash", "a" * 65, "ä", "person@host.example"])
def test_a_member_is_an_identifier_so_that_no_text_passes_for_one(text: str) -> None:
    with pytest.raises(ValidationError):
        Told.model_validate_json(json.dumps({"kind": text}), strict=True)
    assert not Draft202012Validator(Told.model_json_schema()).is_valid({"kind": text})


def test_code_makes_no_unknown_member_of_a_plain_text() -> None:
    assert Told.model_validate({"kind": "csr-invited"}).kind is MailKind.CSR_INVITED
    assert Told(kind=UnknownMember(NEWER)).kind == NEWER
    for wrong in (NEWER, 3, None):
        with pytest.raises(ValidationError, match=r"is none of csr-invited, "):
            Told.model_validate({"kind": wrong})


def test_the_value_of_a_member_that_is_unknown_or_has_none_is_the_other_one() -> None:
    words = {MailKind.CSR_INVITED: "invitation"}
    assert value_of(words, MailKind.CSR_INVITED, "-") == "invitation"
    assert value_of(words, MailKind.CERTIFICATE_ISSUED, "-") == "-"
    assert value_of(words, UnknownMember(NEWER), "-") == "-"

"""What the documents say of each field and each message, and what generators of other languages make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.plain import plain
from jsonschema import Draft202012Validator
from servicecert_schemas import meanings as module
from servicecert_schemas import values
from servicecert_schemas.application import ApplicationSubmitted, CsrAttached, Form
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, Delivery
from servicecert_schemas.codec import VERSIONS, versions_on
from servicecert_schemas.event import EventData
from servicecert_schemas.export import EXPORTED
from servicecert_schemas.json_schemas import json_schema
from servicecert_schemas.meanings import meanings
from servicecert_schemas.topics import CATALOGUE

ALL = pytest.mark.parametrize("event", VERSIONS.values(), ids=VERSIONS)


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each schema in a schema, with its path."""
    if isinstance(node, dict):
        if not path.endswith(("/properties", "/$defs", "/schemas")):
            yield path, node
        for name, part in node.items():
            yield from nodes(part, f"{path}/{name}")
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from nodes(part, f"{path}/{index}")


def told(name: str, parent: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return what is said of a property: at it, in its object, or of what it refers to."""
    part = parent["properties"][name]
    _, _, of_object = str(parent["description"]).partition(f"`{name}`: ")
    return part.get("description") or of_object or definitions[part["$ref"].removeprefix("#/$defs/")]["description"]


@ALL
def test_each_field_has_a_meaning(event: type[EventData]) -> None:
    schema = json_schema(event)
    for path, node in nodes(schema):
        for name in node.get("properties", {}):
            assert told(name, node, schema.get("$defs", {})).strip(), f"{path}/{name}: write below it what it means"


ONLY_FORMS = {
    *("Base64", "Count", "Identifier", "Instant", "LongText", "Number", "Oid", "PublicText", "Sha256", "Text"),
    "AddressText",
}
"""Types whose description says how a value looks, and not what it means."""


def test_a_field_of_a_type_that_says_only_its_form_has_a_meaning_of_its_own() -> None:
    types = module._named(module._parsed(values.__name__).body)
    forms = {text for name, _, text in types if name in ONLY_FORMS}
    assert len(forms) == len(ONLY_FORMS)
    for event in VERSIONS.values():
        for path, node in nodes(json_schema(event)):
            for name, part in node.get("properties", {}).items():
                assert part.get("description") not in forms, f"{path}/{name}: write below it what it means"


def test_a_meaning_is_the_field_s_own_or_that_of_its_type_or_its_base_s() -> None:
    assert meanings(ApplicationSubmitted)["csr"].endswith("Null: it is attached later (A3).")
    assert meanings(CsrAttached)["csr"].startswith("A certificate request as sent: PEM, or base64 of DER")
    assert meanings(CaseChanged)["case_id"].startswith("The case, ")
    assert "applicant" not in meanings(Form)


def test_what_a_reference_means_in_its_place_is_said_of_the_object() -> None:
    schema = json_schema(CaseChanged)
    assert schema["$defs"]["Delivery"]["properties"]["problem"] == {"$ref": "#/$defs/NullableDeliveryProblem"}
    assert f"`problem`: {meanings(Delivery)['problem']}" in schema["$defs"]["Delivery"]["description"]


@ALL
def test_each_message_says_when_it_is_sent(event: type[EventData]) -> None:
    topics = [topic for topic in CATALOGUE if event in versions_on(topic)]
    is_theirs = any(Principal.E_SERVICE in topic.writers for topic in topics)
    assert json_schema(event)["description"].startswith("Send this when " if is_theirs else "Published when ")


@ALL
def test_generators_get_names_and_no_titles(event: type[EventData]) -> None:
    schema = json_schema(event)
    for path, node in nodes(schema):
        is_named = path == "" or (path.count("/") == 2 and path.startswith("/$defs/"))
        assert ("title" in node) == is_named, path
        assert is_named or not node.keys() & {"enum", "anyOf", "oneOf", "properties", "x-extensible-enum"}, path
        assert "$ref" not in node or len(node) == 1, path
        if is_named and path:
            assert node["title"] == path.removeprefix("/$defs/")


@ALL
def test_the_known_members_of_an_open_list_are_members_of_it(event: type[EventData]) -> None:
    definitions = json_schema(event).get("$defs", {})
    for name, definition in definitions.items():
        if known := definition.get("x-extensible-enum"):
            assert definition["anyOf"][0] == {"$ref": f"#/$defs/Known{name}"}
            assert definitions[f"Known{name}"]["enum"] == known
            assert all(Draft202012Validator(definition["anyOf"][1]).is_valid(member) for member in known)


def test_the_asyncapi_document_has_the_same_definitions() -> None:
    at = "#/components/schemas/"
    document = json.loads((EXPORTED / "asyncapi.json").read_text().replace(at, "#/$defs/"))
    for event in VERSIONS.values():
        schema = json_schema(event)
        for name, definition in schema.pop("$defs", {}).items():
            assert document["components"]["schemas"][name] == definition
        whole = document["components"]["schemas"][event.__name__]
        assert whole == {name: part for name, part in schema.items() if not name.startswith("$")}


def test_the_plain_form_of_a_schema_has_neither_the_names_nor_two_types() -> None:
    schema = plain(json_schema(CaseChanged))
    assert not [name for name in schema["$defs"] if name.startswith(("Nullable", "Known"))]
    assert schema["properties"]["due"]["anyOf"] == [{"format": "date-time", "type": "string"}, {"type": "null"}]
    assert schema["properties"]["renewal"] == {"anyOf": [{"$ref": "#/$defs/Renewal"}, {"type": "null"}]}
    assert {"pattern", "x-extensible-enum"} <= schema["$defs"]["CaseState"].keys()
    assert plain(schema) == schema

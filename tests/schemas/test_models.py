"""What holds for all models at once."""

import re
import types
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import servicecert_schemas
from contracts.plain import plain_schema
from pydantic import BaseModel, Field, ValidationError
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import EventRefused
from servicecert_schemas.codec import EVENTS, VERSIONS
from servicecert_schemas.event import CaseEvent, EventData
from servicecert_schemas.topics import CATALOGUE, unversioned
from servicecert_schemas.values import MOST_COUNTED, MOST_PARTITIONS, Value

BOUNDED_FORMATS = {"uuid", "date", "date-time"}


def unbounded(node: Any, path: str = "") -> Iterator[str]:
    """Where a JSON Schema lets a value grow without limit."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from unbounded(part, f"{path}/{index}")
    if not isinstance(node, dict):
        return
    kind = node.get("type")
    # Among the properties of a model one may itself be named "type".
    match kind if isinstance(kind, str) else None:
        case "string":
            bounded = "maxLength" in node or node.get("format") in BOUNDED_FORMATS or "enum" in node or "const" in node
        case "integer":
            bounded = "minimum" in node and "maximum" in node
        case "array":
            bounded = "maxItems" in node and "items" in node
        case "object":
            bounded = "properties" in node and "additionalProperties" not in node
        case None | "null" | "boolean":
            bounded = True
        case _:
            bounded = False
    if not bounded:
        yield path
    for name, part in node.items():
        yield from unbounded(part, f"{path}/{name}")


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_size_of_every_event_is_bounded(event: type[EventData]) -> None:
    assert list(unbounded(plain_schema(event))) == []


def integers(node: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Yield each whole number of a JSON Schema by the name of its field, with its maximum."""
    if isinstance(node, list):
        for part in node:
            yield from integers(part, name)
    if isinstance(node, dict):
        if node.get("type") == "integer":
            yield name, node["maximum"]
        for key, part in node.items():
            yield from integers(part, name if key in ("anyOf", "oneOf", "items", "properties", "$defs") else key)


def test_f5_only_numbers_that_are_merely_compared_have_the_whole_range_of_json() -> None:
    found = {each for event in EVENTS.values() for each in integers(plain_schema(event))}
    assert {name for name, most in found if most > MOST_COUNTED} == {
        "number",
        "crl_number",
        "offset",
        "last_offset",
        "total",
    }
    assert {name for name, most in found if most == MOST_PARTITIONS} == {"partition"}


def test_the_check_of_bounds_finds_what_is_unbounded() -> None:
    class Loose(BaseModel):
        text: str
        number: int
        below: int = Field(lt=9)
        ratio: float
        raw: bytes
        texts: tuple[str, ...]
        mapping: dict[str, int]

    found = {path.split("/")[2] for path in unbounded(Loose.model_json_schema())}
    assert found == {"text", "number", "below", "ratio", "raw", "texts", "mapping"}


def models(of: type[Value] = Value) -> Iterator[type[Value]]:
    for model in of.__subclasses__():
        if model.__module__.startswith("servicecert_schemas."):
            yield model
            yield from models(model)


def test_every_model_is_frozen_ignores_what_it_does_not_know_and_says_what_it_is() -> None:
    found = set(models())
    assert len(found) > 50
    for model in found:
        assert model.model_config["frozen"] is True, model
        assert model.model_config["extra"] == "ignore", model
        assert model.__doc__, model


def test_a_value_cannot_be_changed() -> None:
    names = servicecert_schemas.Names(dns=("kanta.laakaritalo.example",))
    with pytest.raises(ValidationError, match="frozen"):
        names.dns = ()  # type: ignore[misc]  # That it is refused is what is tested.


def test_every_event_type_is_versioned_and_named_once() -> None:
    found = list(models(EventData))
    leaves = {model for model in found if not set(model.__subclasses__()) & set(found)}
    assert leaves == set(EVENTS.values())
    assert all(re.fullmatch(r"servicecert(\.[a-z-]+){2}\.v[1-9]", name) for name in VERSIONS)
    assert len({event.__name__ for event in VERSIONS.values()}) == len(VERSIONS)
    assert {unversioned(name) for name in VERSIONS} == {unversioned(name) for name in EVENTS}


def test_I5_the_case_is_the_key_wherever_there_is_one() -> None:
    for event in EVENTS.values():
        fields = event.model_fields
        if "case_id" in fields and fields["case_id"].is_required() and event is not EventRefused:
            assert issubclass(event, CaseEvent), event


def test_the_package_names_what_the_e_service_writes_and_reads_and_how() -> None:
    events = {
        event
        for topic in CATALOGUE
        if Principal.E_SERVICE in (*topic.writers, *topic.readers)
        for event in topic.events
    }
    functions = {"decode", "is_canary", "reason_named", "reasons_of", "record_of", "to_record"}
    values = {"Application", "Customer", "Envelope", "REASONS", "Record", "TooLarge", "Undecodable"}
    expected = {each.__name__ for event in events for each in types_in(event)} | functions | values
    names = {name for name, value in vars(servicecert_schemas).items() if not isinstance(value, types.ModuleType)}
    assert {name for name in names if not name.startswith("__")} == expected


def types_in(kind: Any) -> Iterator[type]:
    """Yield the models and enumerations of ours that a value of a type may hold, itself included."""
    if isinstance(kind, type) and kind.__module__.startswith("servicecert_schemas."):
        yield kind
        for field in getattr(kind, "model_fields", {}).values():
            yield from types_in(field.annotation)
    for part in get_args(kind):
        yield from types_in(part)

"""Whatever a JSON Schema allows is read, and written again without loss: models and exported schemas say the same."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from contracts.plain import plain
from examples import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from servicecert_schemas.characters import cleaned
from servicecert_schemas.codec import EVENTS, decode
from servicecert_schemas.event import Envelope, EventData
from servicecert_schemas.headers import dataschema
from servicecert_schemas.json_schemas import json_schema
from servicecert_schemas.topics import CATALOGUE
from servicecert_schemas.values import is_business_id

# The check digit is beyond a pattern: it is found by trying all ten.
BUSINESS_IDS = (
    st.from_regex(r"[0-9]{7}", fullmatch=True)
    .map(lambda digits: [text for text in (f"{digits}-{check}" for check in range(10)) if is_business_id(text)])
    .filter(bool)
    .map(lambda right: right[0])
)

EARLIEST, LATEST = datetime(1950, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), LATEST - EARLIEST).map(lambda since: EARLIEST + since)


def strings(node: dict[str, Any]) -> st.SearchStrategy[str]:
    longest = node.get("maxLength", 0)
    match node:
        case {"format": "uuid"}:
            return st.uuids().map(str)
        case {"format": "date", "pattern": _}:
            return st.dates(EARLIEST.date(), LATEST.date()).map(lambda day: day.isoformat())
        case {"format": "date"}:
            return st.dates().map(lambda day: day.isoformat())
        case {"format": "date-time"}:
            return MOMENTS.map(datetime.isoformat)
        case {"pattern": "^[0-9]{7}-[0-9]$"}:
            return BUSINESS_IDS
        case {"pattern": pattern} if pattern != r"^[^\x00]*$":
            return st.from_regex(pattern.removesuffix("$") + r"\Z", alphabet=st.characters(codec="utf-8")).filter(
                lambda text: len(text) <= longest
            )
        case _:
            text = st.text(
                st.characters(codec="utf-8", exclude_characters="\0"),
                min_size=node.get("minLength", 0),
                max_size=min(longest, 80),
            )
            # What a person typed is cleaned when it is read, which has tests of its own.
            return text if "pattern" in node else text.map(cleaned)


def values(node: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a JSON Schema of ours allows."""
    match node:
        case {"$ref": reference}:
            return values(definitions[reference.removeprefix("#/$defs/")], definitions)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return st.one_of([values(kind, definitions) for kind in kinds])
        case {"const": value}:
            return st.just(value)
        case {"enum": members}:
            return st.sampled_from(members)
        case {"type": "object"}:
            fields = {name: values(part, definitions) for name, part in node["properties"].items()}
            required = set(node.get("required", ()))
            return st.fixed_dictionaries(
                {name: part for name, part in fields.items() if name in required},
                optional={name: part for name, part in fields.items() if name not in required},
            )
        case {"type": "array"}:
            return st.lists(
                values(node["items"], definitions), min_size=node.get("minItems", 0), max_size=min(node["maxItems"], 2)
            )
        case {"type": "integer"}:
            return st.integers(node["minimum"], node["maximum"])
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
        case {"type": "string"}:
            return strings(node)
    raise AssertionError(f"the strategy knows no {node}")


@cache
def drawing(event: type[EventData]) -> tuple[Draft202012Validator, st.SearchStrategy[Any]]:
    """An event's schema, and what it allows: made once, since regular expressions are slow to read."""
    schema = json_schema(event)
    simple = plain(schema)
    return Draft202012Validator(schema), values(simple, simple.get("$defs", {}))


def contained(part: Any, whole: Any) -> bool:
    """Whether all that stands in `part` stands in `whole`, which may have more fields."""
    if isinstance(part, dict):
        return all(name in whole and contained(value, whole[name]) for name, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(contained, part, whole))
    return same(part, whole)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str) and one != other:
        # A moment may be written in several ways.
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    return bool(one == other)


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(drawn=st.data())
def test_what_the_schema_allows_is_read_and_written_without_loss(event: type[EventData], drawn: st.DataObject) -> None:
    schema, allowed = drawing(event)
    value = drawn.draw(allowed)
    schema.validate(value)
    data = event.model_validate_json(json.dumps(value), strict=True)
    envelope = Envelope(uuid4(), "/test", event.TYPE, data.key(), datetime.now(UTC), data.key())
    headers, encoded = encode(envelope, data)
    topic = next(topic.name for topic in CATALOGUE if event in topic.events)
    assert decode(topic, data.key().encode(), headers, encoded) == (envelope, data)
    written = json.loads(encoded)
    assert contained(value, written)
    schema.validate(written)


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_schema_is_one_of_2020_12_and_is_named_by_the_headers(event: type[EventData]) -> None:
    schema = json_schema(event)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == dataschema(event.TYPE)
    assert schema["description"]

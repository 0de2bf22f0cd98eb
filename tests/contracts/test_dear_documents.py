"""F5: whatever stands in a record of at most the largest size, reading it costs less than 50 ms.

Each field of each version of each event holds the dearest documents in turn. Time is that of this thread's processor,
and the least of several tries counts, so that a busy machine and the interpreter's own collections fail nothing. The
dearest needs a third of the limit; without either bound, some need many times the limit.
"""

from __future__ import annotations

from time import thread_time
from typing import Any

import pytest
from contracts.dear import Place, places
from contracts.plain import plain_schema
from pydantic import ValidationError
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import VERSIONS, Undecodable, decode
from servicecert_schemas.topics import MAX_EVENT_BYTES, TOPIC_OF
from servicecert_schemas.upcasting import UPCASTERS

SECONDS = 0.05
TRIES = 20
EARLIER = {event.TYPE for event in UPCASTERS}
"""The versions before the newest. They have the same fields but for a few, so their turn comes with the long tests."""
EVERY_VERSION = [pytest.param(each, marks=pytest.mark.long if each in EARLIER else (), id=each) for each in VERSIONS]


def refused(place: Place, value: bytes) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(*place.record(value))
    return caught.value


def seconds(place: Place, value: bytes) -> float:
    """Return the least time that reading took, of as many tries as it needs to be below the limit."""
    least = float("inf")
    for _ in range(TRIES):
        begun = thread_time()
        fault = refused(place, value)
        least = min(least, thread_time() - begun)
        assert fault.code in ("too-large", "wrong-schema")
        if least < SECONDS:
            break
    return least


@pytest.mark.parametrize("event_type", EVERY_VERSION)
def test_f5_the_dearest_document_of_each_field_costs_less_than_50_ms(event_type: str) -> None:
    for place in places(event_type):
        for name, value in place.values():
            assert len(place.record(value)[-1]) <= MAX_EVENT_BYTES
            assert seconds(place, value) < SECONDS, f"{event_type}{place.path}: {name}"


@pytest.mark.parametrize("event_type", VERSIONS)
def test_f5_a_list_is_read_up_to_its_first_fault(event_type: str) -> None:
    for place in places(event_type):
        if place.path.endswith("[]"):
            with pytest.raises(ValidationError) as caught:
                VERSIONS[event_type].model_validate_json(place.record(b"{},[]")[-1])
            steps = {step for fault in caught.value.errors() for step in fault["loc"]}
            assert 0 in steps
            assert 1 not in steps


@pytest.mark.parametrize("event_type", VERSIONS)
def test_f5_what_an_event_can_have_is_within_its_structure(event_type: str) -> None:
    """Of what the e-service writes, half is left for unknown fields, as its page says."""
    schema, topic = plain_schema(VERSIONS[event_type]), TOPIC_OF.get(event_type)
    spare = 2 if topic is not None and Principal.E_SERVICE in topic.writers else 1
    assert spare * most(schema, schema.get("$defs", {})) <= VERSIONS[event_type].MOST_STRUCTURE


def most(node: Any, defs: Any) -> int:
    """Return the most structure of a value of this schema."""
    match node:
        case {"$ref": reference}:
            return most(defs[reference.removeprefix("#/$defs/")], defs)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return max(most(kind, defs) for kind in kinds)
        case {"type": "object", "properties": fields}:
            return 7 + 2 * len(fields) + sum(most(field, defs) for field in fields.values())
        case {"type": "array", "items": items, "maxItems": count}:
            return 7 + int(count) * (1 + most(items, defs))
        case _:
            return 0

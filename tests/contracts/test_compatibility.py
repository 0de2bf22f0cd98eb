"""A change of a released schema is allowed only if old readers read new writers and new readers read old writers.

`schemas/released/<version>/` holds the schemas of every released version of the package; they never change. A writer
may omit fields with a default and adds no unknown ones, so its schema is closed in the comparison; a reader ignores
unknown fields, so its schema is open.

`schemas/released/narrowed.json` lists the bounds that were narrowed since 1.0.0, by event type and JSON pointer, with
the value that is in force. Only our own services write these types, and no event of theirs ever exceeded the new bound.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import servicecert_schemas
from contracts.plain import plain, plain_schema
from jsoncompat import check_compat
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import VERSIONS
from servicecert_schemas.export import EXPORTED
from servicecert_schemas.topics import CATALOGUE, SERVICES

Schema = dict[str, Any]

RELEASED = Path(servicecert_schemas.__file__).parents[1] / "released"
FILES = sorted(RELEASED.glob("*/*.json"))
NARROWED_SINCE = "1.0.0"
NARROWED: dict[str, Schema] = json.loads((RELEASED / "narrowed.json").read_text())
NAMES: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "schemas/generated/names.json").read_text())
"""Those that generators give the types now, by language (tests/schemas/test_generated.py)."""


def without_id(schema: Schema) -> Schema:
    """Return a schema without `$id`, with which the comparison would not resolve local references."""
    return {name: part for name, part in schema.items() if name != "$id"}


def load(path: Path) -> Schema:
    """Return a stored schema in the plain form, without `$id`."""
    return without_id(plain(json.loads(path.read_text())))


def placed(schema: Schema, pointer: str) -> tuple[Any, str]:
    """Return the part of a schema that a JSON pointer leads to, and the keyword in it."""
    *steps, keyword = pointer.removeprefix("/").split("/")
    node: Any = schema
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    return node, keyword


def narrowed(schema: Schema, bounds: Schema) -> Schema:
    """Return a released schema with the bounds that were narrowed since."""
    copy = deepcopy(schema)
    for pointer, bound in bounds.items():
        node, keyword = placed(copy, pointer)
        node[keyword] = bound
    return copy


def any_of(node: Any) -> Any:
    """Return the schema with `anyOf` for `oneOf`: the comparison does not see that a constant makes them distinct."""
    if isinstance(node, list):
        return [any_of(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {"anyOf" if name == "oneOf" else name: any_of(part) for name, part in node.items()}


def closed(node: Any) -> Any:
    """Return the schema for a writer: an object has no other fields than the named ones."""
    if isinstance(node, list):
        return [closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    parts = {name: closed(part) for name, part in node.items()}
    return {**parts, "additionalProperties": False} if node.get("type") == "object" else parts


def shapes(node: Schema, definitions: Schema, path: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the patterns and formats of each field by its path: the comparison of JSON Schemas ignores them."""
    kinds = list(alternatives(node, definitions))
    yield path, frozenset(kind[keyword] for kind in kinds for keyword in ("pattern", "format") if keyword in kind)
    for kind in kinds:
        for name, part in kind.get("properties", {}).items():
            yield from shapes(part, definitions, f"{path}/{name}")
        if "items" in kind:
            yield from shapes(kind["items"], definitions, f"{path}/*")


def members(schema: Schema) -> dict[str, set[str]]:
    """Return the known members of each open list, by the name of its definition."""
    return {
        name: set(definition["x-extensible-enum"])
        for name, definition in schema.get("$defs", {}).items()
        if "x-extensible-enum" in definition
    }


def shapes_by_path(schema: Schema) -> dict[str, frozenset[str]]:
    merged: dict[str, frozenset[str]] = {}
    for path, here in shapes(schema, schema.get("$defs", {})):
        merged[path] = merged.get(path, frozenset()) | here
    return merged


def alternatives(node: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yield the schemas that a value may have, with references resolved."""
    match node:
        case {"$ref": reference}:
            yield from alternatives(definitions[reference.removeprefix("#/$defs/")], definitions)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            for kind in kinds:
                yield from alternatives(kind, definitions)
        case _:
            yield node


def faults(old: Schema, new: Schema) -> list[str]:
    """Return the reasons why `new` may not replace `old`."""
    reasons = []
    if not check_compat(json.dumps(closed(any_of(old))), json.dumps(any_of(new)), "deserializer"):
        reasons.append("the new version does not read what the old one writes")
    if not check_compat(json.dumps(closed(any_of(new))), json.dumps(any_of(old)), "deserializer"):
        reasons.append("the old version does not read what the new one writes")
    before, after = (shapes_by_path(schema) for schema in (old, new))
    known = members(new)
    reasons += [
        f"a member less in the open list {name}"
        for name, listed in members(old).items()
        if name in known and not listed <= known[name]
    ]
    return reasons + [
        f"another pattern or format at {path}" for path in before.keys() & after.keys() if before[path] != after[path]
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_released_version_and_the_present_one_read_each_other(path: Path) -> None:
    assert path.stem in VERSIONS, "a released event type is read for ever: give it an upcaster"
    released = narrowed(load(path), NARROWED.get(path.stem, {}))
    present = without_id(plain_schema(VERSIONS[path.stem]))
    assert faults(released, present) == [], "make it a new version of the event type instead"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_type_of_a_release_keeps_its_name_in_other_languages(path: Path) -> None:
    released = load(path)
    names = {released["title"], *released.get("$defs", ())}
    assert names <= set(NAMES["typescript"])
    # An open list is an Object in Java.
    assert names - members(released).keys() <= set(NAMES["java"])


@pytest.mark.parametrize("path", sorted((RELEASED / NARROWED_SINCE).glob("*.json")), ids=lambda path: path.stem)
def test_f5_a_narrowed_bound_is_narrower_is_in_force_and_binds_our_own_services_alone(path: Path) -> None:
    bounds = NARROWED.get(path.stem, {})
    for pointer, bound in bounds.items():
        old, keyword = placed(load(path), pointer)
        new, _ = placed(load(EXPORTED / "json" / path.name), pointer)
        assert new[keyword] == bound
        assert old[keyword] > bound if keyword == "maximum" else keyword == "pattern" and old.get(keyword) != bound
    if bounds:
        writers = {
            writer
            for topic in CATALOGUE
            for event in topic.events
            if path.stem == event.TYPE
            for writer in topic.writers
        }
        # The eraser writes tombstones, which are no events.
        ours = {*SERVICES, Principal.OCSP_RESPONDER, Principal.ERASER}
        assert writers <= ours, "others may have written what it forbids"


def test_every_released_version_is_whole() -> None:
    assert (RELEASED / NARROWED_SINCE).is_dir()
    assert all(path.parent.name.count(".") == 2 for path in FILES)


SUBMITTED = load(RELEASED / "1.0.0" / "servicecert.application.submitted.v1.json")
REGISTER = load(RELEASED / "1.0.0" / "servicecert.register.entry.v1.json")


def changed(change: Callable[[Schema], Any], schema: Schema = SUBMITTED) -> Schema:
    copy = deepcopy(schema)
    change(copy)
    return copy


def form(schema: Schema) -> Schema:
    form: Schema = schema["$defs"]["Form"]
    return form


def open_list(schema: Schema) -> Schema:
    role: Schema = schema["$defs"]["Role"]
    return role


ALLOWED: dict[str, Callable[[Schema], Any]] = {
    "nothing": lambda schema: None,
    "another description": lambda schema: schema.update(description="Other words."),
    "an optional field": lambda schema: form(schema)["properties"].update(more={"type": "string", "maxLength": 5}),
    "an optional object": lambda schema: form(schema)["properties"].update(
        more={"type": "object", "properties": {"a": {"type": "string", "format": "uuid"}}, "required": ["a"]}
    ),
    "an optional field less": lambda schema: form(schema)["properties"].pop("customer_reference"),
    "a member more of an open list": lambda schema: open_list(schema)["x-extensible-enum"].append("auditor"),
}

FORBIDDEN: dict[str, Callable[[Schema], Any]] = {
    "a required field": lambda schema: (
        form(schema)["properties"].update(more={"type": "string"}),
        form(schema)["required"].append("more"),
    ),
    "a required field less": lambda schema: (
        form(schema)["properties"].pop("language"),
        form(schema)["required"].remove("language"),
    ),
    "a required field that becomes optional": lambda schema: form(schema)["required"].remove("language"),
    "an optional field that becomes required": lambda schema: form(schema)["required"].append("follows"),
    "another name": lambda schema: (
        form(schema)["properties"].update(tongue=form(schema)["properties"].pop("language")),
        form(schema)["required"].remove("language"),
        form(schema)["required"].append("tongue"),
    ),
    "another type": lambda schema: schema["$defs"]["Applicant"]["properties"].update(business_id={"type": "integer"}),
    "a member more of a closed list": lambda schema: schema["$defs"]["Language"]["enum"].append("se"),
    "a member less of a closed list": lambda schema: schema["$defs"]["Language"]["enum"].remove("en"),
    "a member less of an open list": lambda schema: open_list(schema)["x-extensible-enum"].remove("colleague"),
    "an open list that is closed": lambda schema: schema["$defs"].update(
        Role={"enum": open_list(schema)["x-extensible-enum"], "type": "string"}
    ),
    "a closed list that is opened": lambda schema: schema["$defs"].update(Language=open_list(schema)),
    "a longer text": lambda schema: schema["$defs"]["Applicant"]["properties"]["business_id"].update(maxLength=201),
    "a shorter text": lambda schema: schema["$defs"]["Applicant"]["properties"]["business_id"].update(maxLength=199),
    "a longer list": lambda schema: schema["properties"]["attachments"].update(maxItems=51),
    "a shorter list": lambda schema: schema["properties"]["attachments"].update(maxItems=49),
    "a larger number": lambda schema: schema["$defs"]["Attachment"]["properties"]["size"].update(maximum=10**9),
    "a null": lambda schema: schema["properties"].update(
        case_id={"anyOf": [schema["properties"]["case_id"], {"type": "null"}]}
    ),
    "a null less": lambda schema: schema["properties"].update(csr=schema["properties"]["csr"]["anyOf"][0]),
    "another pattern": lambda schema: schema["$defs"]["Actor"]["properties"]["user_id"].update(pattern="^[a-z]+$"),
    "no pattern": lambda schema: schema["$defs"]["Actor"]["properties"]["user_id"].pop("pattern"),
    "another format": lambda schema: schema["$defs"]["Attachment"]["properties"]["valid_to"].update(format="date-time"),
}


@pytest.mark.parametrize("change", ALLOWED)
def test_the_check_allows(change: str) -> None:
    assert faults(SUBMITTED, changed(ALLOWED[change])) == []


@pytest.mark.parametrize("change", FORBIDDEN)
def test_the_check_forbids(change: str) -> None:
    assert faults(SUBMITTED, changed(FORBIDDEN[change])) != []


def test_the_check_forbids_another_kind_of_entry_in_either_direction() -> None:
    def less(schema: Schema) -> None:
        schema["properties"]["entry"]["oneOf"].pop()

    assert faults(REGISTER, changed(less, REGISTER)) != []
    assert faults(changed(less, REGISTER), REGISTER) != []

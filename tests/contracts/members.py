"""The stored records, with a member of a list replaced by one of a newer writer."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import servicecert_schemas
from contracts.plain import plain_schema
from examples import examples
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import VERSIONS
from servicecert_schemas.event import EventData
from servicecert_schemas.json_schemas import Document

NEWER = "a-newer-member"

EXAMPLES = examples()


def lists() -> dict[str, type[StrEnum]]:
    """Return every enumeration of the package, by name, but the users of the broker: no event names them."""
    modules = [
        importlib.import_module(f"servicecert_schemas.{each.name}")
        for each in pkgutil.iter_modules(servicecert_schemas.__path__)
    ]
    return {
        name: each
        for module in modules
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, StrEnum) and each not in (StrEnum, Principal)
    }


@dataclass(frozen=True)
class Place:
    """Where a stored record has a member of a list. `name` is the enumeration's, `variant` the record of its type."""

    type: str
    variant: int
    path: tuple[str | int, ...]
    name: str
    is_open: bool

    def __str__(self) -> str:
        return f"{self.type.removeprefix('servicecert.')}[{self.variant}].{self.dotted}"

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def example(self) -> Document:
        return EXAMPLES[self.type][self.variant]

    def value(self) -> Document:
        """Return the data of the record, with the newer member at this place."""
        value: Document = deepcopy(self.example["value"])
        node: Any = value
        for step in self.path[:-1]:
            node = node[step]
        node[self.path[-1]] = NEWER
        return value

    def raw(self) -> tuple[str, bytes, list[tuple[str, bytes]], bytes]:
        """Return topic, key, headers and value of the record, as a newer writer sends it."""
        example = self.example
        headers = [(name, text.encode()) for name, text in example["headers"].items()]
        return example["topic"], example["key"].encode(), headers, json.dumps(self.value()).encode()


@cache
def places() -> list[Place]:
    """Return every place of every stored record."""
    return [
        Place(event_type, variant, path, name, is_open)
        for event_type, examples in EXAMPLES.items()
        for schema in [plain_schema(VERSIONS[event_type])]
        for variant, example in enumerate(examples)
        for path, name, is_open in _members(example["value"], schema, schema.get("$defs", {}))
    ]


def place(event: type[EventData], path: str) -> Place:
    """Return a place of the first stored record of an event, by its path."""
    found = [each for each in places() if (each.type, each.variant, each.dotted) == (event.TYPE, 0, path)]
    assert found, f"{path} of {event.TYPE}.json is not of a list"
    return found[0]


def _members(value: Any, schema: Any, defs: Any) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    match schema:
        case {"$ref": reference}:
            name = reference.removeprefix("#/$defs/")
            if "enum" in defs[name] or "x-extensible-enum" in defs[name]:
                yield (), name, "enum" not in defs[name]
            else:
                yield from _members(value, defs[name], defs)
        case {"anyOf": kinds} if value is not None:
            yield from _members(value, kinds[0], defs)
        case {"oneOf": kinds}:
            (kind,) = [each for each in kinds if _kind(each, defs) == value["kind"]]
            yield from _members(value, kind, defs)
        case {"items": items}:
            for index, each in enumerate(value):
                for path, name, is_open in _members(each, items, defs):
                    yield (index, *path), name, is_open
        case {"properties": properties}:
            for field in properties.keys() & value.keys():
                for path, name, is_open in _members(value[field], properties[field], defs):
                    yield (field, *path), name, is_open


def _kind(schema: Any, defs: Any) -> str:
    return str(defs[schema["$ref"].removeprefix("#/$defs/")]["properties"]["kind"]["const"])

"""The extremes of each field of each event, drawn from its exported JSON Schema; and a limit on the work with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from types import FrameType
from typing import Any

from contracts.members import EXAMPLES
from contracts.plain import plain_schema
from servicecert_schemas.codec import VERSIONS
from servicecert_schemas.json_schemas import Document

WIDE = "\U0001f0a1"
"""A character of four bytes."""

# The longest text of each pattern. What people type, and subjects, may hold any character.
LONGEST = {
    r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$": "z" * 128,
    r"^[a-z][a-z0-9+.-]*:[^\s\x00]+$": "urn:" + WIDE * 1_996,
    r"^[0-9a-f]{64}$": "f" * 64,
    r"^[a-z0-9][a-z0-9-]{0,63}$": "z" * 64,
    r"^[0-9]{7}-[0-9]$": "9999999-2",
    r"^[0-2](\.(0|[1-9][0-9]{0,38})){1,30}$": "2" + ("." + "9" * 38) * 5,
    r'^[^@\s<>,;:"\\\x00-\x1f]{1,64}@[^@\s<>,;:"\\\x00-\x1f]{1,255}$': "m" * 64 + "@" + "l" * 189,
    r"^[A-Za-z0-9.-]+$": "z" * 253,
    r"^[0-9a-f.:]{2,45}$": "f" * 45,
    r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$": "MDAw" * 8_192,
    r"^((0[1-9a-f]|[1-9a-f][0-9a-f])([0-9a-f]{2}){0,18}|(0[1-9a-f]|[1-7][0-9a-f])([0-9a-f]{2}){19})$": "7f" + "ff" * 19,
    r"^[1-9][0-9]{0,48}$": "9" * 49,
    r"^https?://[^\s\x00]+$": "http://" + WIDE * 493,
    r"^[ -~]*$": "[" * 100_000,
    r"^[A-Za-z0-9+/]{86}==$": "A" * 86 + "==",
    r"^[^\x00]*$": None,
}
DAYS = {
    "^(19[5-9][0-9]|2[0-9]{3})-": ("1950-01-01", "2999-12-31"),
    None: ("0001-01-01", "9999-12-31"),
}
MOMENTS = ("1950-01-01T00:00:00Z", "2999-12-31T23:59:59.999999Z")


@dataclass(frozen=True)
class Extreme:
    """The data of an event with one field at an extreme."""

    type: str
    variant: int
    path: str
    value: Document

    def __str__(self) -> str:
        return f"{self.type.removeprefix('servicecert.')}[{self.variant}]{self.path}"


def extremes() -> Iterator[Extreme]:
    """Yield a stored record of each type with each of its fields at each of its extremes, one at a time."""
    for event_type, examples in EXAMPLES.items():
        schema = plain_schema(VERSIONS[event_type])
        done: set[str] = set()
        for variant, example in enumerate(examples):
            for path, value in _of(schema, example["value"], schema.get("$defs", {})):
                if path not in done:
                    yield Extreme(event_type, variant, path, value)
                done.add(path)


def _of(node: Any, value: Any, defs: Any) -> Iterator[tuple[str, Any]]:
    """Return where and how `value`, of this schema, can be extreme: the path, and the whole value with it."""
    match node:
        case {"$ref": reference}:
            yield from _of(defs[reference.removeprefix("#/$defs/")], value, defs)
        case {"anyOf": kinds}:
            yield from _of(kinds[0], value, defs)
        case {"oneOf": kinds}:
            for kind in kinds:
                definition = defs[kind["$ref"].removeprefix("#/$defs/")]
                if definition["properties"]["kind"]["const"] == value["kind"]:
                    yield from _of(definition, value, defs)
        case {"type": "object", "properties": properties}:
            for name, part in properties.items():
                inner = value.get(name) if value else None
                for path, most in _of(part, inner, defs):
                    yield f".{name}{path}", {**(value or least(node, defs)), name: most}
        case {"type": "array", "items": items, "maxItems": count}:
            first = value[0] if value else least(items, defs)
            several = [f"{index}.{first}" if is_typed(items) else deepcopy(first) for index in range(count)]
            yield f"[{count}]", several
            for path, most in _of(items, first, defs):
                yield f"[0]{path}", [most]
                if is_typed(items):
                    yield f"[{count}]{path}", [most] * count
        case _:
            for index, most in enumerate(leaf(node)):
                yield f"#{index}", most


def leaf(node: Any) -> list[Any]:
    """Return the extremes of a value that has no parts."""
    match node:
        case {"enum": _} | {"const": _}:
            return []
        case {"type": "boolean"}:
            return [False, True]
        case {"type": "integer", "minimum": low, "maximum": high}:
            return [low, high]
        case {"format": "uuid"}:
            return ["ffffffff-ffff-ffff-ffff-ffffffffffff"]
        case {"format": "date"}:
            return [*DAYS[node.get("pattern")]]
        case {"format": "date-time"}:
            return [*MOMENTS]
        case {"type": "string", "pattern": pattern, "maxLength": longest}:
            return [LONGEST[pattern] or WIDE * longest]
        case {"type": "string", "maxLength": longest}:
            return ["", "z" * longest, WIDE * longest]
    raise AssertionError(f"no extremes are known of {node}")


def least(node: Any, defs: Any) -> Any:
    """Return some value of a schema, with the required fields only."""
    match node:
        case {"$ref": reference}:
            return least(defs[reference.removeprefix("#/$defs/")], defs)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return least(kinds[0], defs)
        case {"enum": members} | {"x-extensible-enum": members}:
            return members[0]
        case {"const": value}:
            return value
        case {"type": "object", "properties": properties}:
            return {name: least(properties[name], defs) for name in node.get("required", ())}
        case {"type": "array"}:
            return []
        case _:
            value = leaf(node)[0]
            return "z" if value == "" else value


def is_typed(node: Any) -> bool:
    """Return whether any text is allowed, since a person types it."""
    return node.get("type") == "string" and "pattern" not in node and "format" not in node


class TooMuchWork(BaseException):
    """More lines were executed than the limit. No handler of errors catches it."""


@contextmanager
def limited(lines: int) -> Iterator[None]:
    """Raise `TooMuchWork` once functions called inside have executed that many lines, however fast the machine is."""
    left = lines

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooMuchWork(f"more than {lines} lines, at {frame.f_code.co_filename}:{frame.f_lineno}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)

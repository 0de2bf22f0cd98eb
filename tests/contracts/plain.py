"""The exported JSON Schemas in the form of the first releases, for what compares them and for what draws from them.

It allows the same values. What may be null is one of two kinds, an open list is a text with its pattern, and neither
has a definition of its own.
"""

from __future__ import annotations

from typing import Any

from servicecert_schemas.event import EventData
from servicecert_schemas.json_schemas import Document, json_schema

_SAID_OF_EITHER = ("default", "description", "title")


def plain_schema(event: type[EventData]) -> Document:
    """Return an event's schema in that form."""
    return plain(json_schema(event))


def plain(schema: Document) -> Document:
    """Return a whole schema in that form; one that has it already as it is."""
    found: Document = _plain(schema, schema.get("$defs", {}))
    if "$defs" in found:
        found["$defs"] = {name: part for name, part in found["$defs"].items() if not _is_for_its_name(name, part)}
    return found


def _is_for_its_name(name: str, definition: Document) -> bool:
    is_list = "enum" in definition and name.startswith("Known")
    return is_list or ("x-extensible-enum" not in definition and ("anyOf" in definition or "oneOf" in definition))


def _plain(node: Any, definitions: Document) -> Any:
    match node:
        case {"$ref": reference}:
            name = reference.removeprefix("#/$defs/")
            if not _is_for_its_name(name, definitions[name]):
                return node
            return _plain({word: part for word, part in definitions[name].items() if word != "title"}, definitions)
        case {"x-extensible-enum": _, "anyOf": [_, other]}:
            return {**other, **{keyword: part for keyword, part in node.items() if keyword != "anyOf"}}
        case {"type": [kind, "null"], **rest}:
            alone = {keyword: part for keyword, part in rest.items() if keyword not in _SAID_OF_EITHER}
            said = {keyword: part for keyword, part in rest.items() if keyword in _SAID_OF_EITHER}
            return {"anyOf": [_plain({**alone, "type": kind}, definitions), {"type": "null"}], **said}
        case dict():
            return {name: _plain(part, definitions) for name, part in node.items()}
        case list():
            return [_plain(part, definitions) for part in node]
        case _:
            return node

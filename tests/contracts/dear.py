"""The dearest documents of each field of each event, drawn from its exported JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, repeat
from typing import Any

from contracts.members import EXAMPLES
from contracts.plain import plain_schema
from servicecert_schemas.codec import VERSIONS, structure_of
from servicecert_schemas.topics import MAX_EVENT_BYTES

ROOM = MAX_EVENT_BYTES - 200
"""What every place leaves of the longest value."""

# The most that pydantic's parser reads: digits of an integer, and a little less than the deepest nesting.
_DIGITS = 4_300
_DEEP = 190

_WIDE = "\U0001f0a1"
_ELEMENTS = {
    "numbers": b"0",
    "lists": b"[]",
    "objects": b"{}",
    "nested objects": b'{"":' * _DEEP + b"0" + b"}" * _DEEP,
    "texts": b'"%b"' % (b"z" * 40),
    "wide texts": b'"%b"' % (_WIDE * 8).encode(),
    "fractions": b"0.1234567890123456789",
    "integers": b"9" * _DIGITS,
}
_CHARACTERS = ("a", "0", "-", ".", "[", "@", ":", "=", " ", _WIDE, "\u0316\u0300", r"\u0000", r"\"", r"\ud83c\udca1")


@dataclass(frozen=True)
class Place:
    """Where a document can hold something dear: what is before it and after it. All else is missing."""

    type: str
    path: str
    before: bytes
    after: bytes
    node: Any

    def record(self, value: bytes) -> tuple[str, bytes, list[tuple[str, bytes]], bytes]:
        """Return topic, key, headers and value of a record with this value here."""
        example = EXAMPLES[self.type][0]
        headers = [(name, text.encode()) for name, text in example["headers"].items()]
        return example["topic"], example["key"].encode(), headers, self.before + value + self.after

    def values(self) -> Iterator[tuple[str, bytes]]:
        """Yield the dear values: more of them for a list, an object and a text, which read what they hold."""
        most = VERSIONS[self.type].MOST_STRUCTURE
        yield from _anywhere(most).items()
        if not self.path or "'array'" in str(self.node) or "'$ref'" in str(self.node):
            yield from _for_parts(most).items()
        if "'string'" in str(self.node):
            yield from _texts().items()

    def inner(self, path: str, before: bytes, after: bytes, node: Any) -> Place:
        return Place(self.type, self.path + path, self.before + before, after + self.after, node)


def places(event_type: str) -> list[Place]:
    """Return the document itself, each field and each element; of fields of one kind, side by side, the first one."""
    schema = plain_schema(VERSIONS[event_type])
    return list(_places(Place(event_type, "", b"", b"", schema), schema.get("$defs", {})))


def _places(place: Place, defs: Any) -> Iterator[Place]:
    yield place
    for node in _kinds(place.node, defs):
        properties = node.get("properties", {})
        kind = properties.get("kind", {}).get("const")
        named = b"" if kind is None else b'"kind":"%b",' % kind.encode()
        alike: set[str] = set()
        for name, part in properties.items():
            shape = str({word: part[word] for word in part if word not in ("title", "description")})
            if shape not in alike:
                yield from _places(place.inner(f".{name}", b'{%b"%b":' % (named, name.encode()), b"}", part), defs)
            alike.add(shape)
        if "items" in node:
            yield from _places(place.inner("[]", b"[", b"]", node["items"]), defs)


def _kinds(node: Any, defs: Any) -> Iterator[Any]:
    """Yield what a node may be: a definition, or each of several."""
    if "$ref" in node:
        yield from _kinds(defs[node["$ref"].removeprefix("#/$defs/")], defs)
    for kind in node.get("anyOf", node.get("oneOf", ())):
        yield from _kinds(kind, defs)
    yield node


@cache
def _anywhere(most: int) -> dict[str, bytes]:
    """Return values of the longest length: of the most structure that is read, and of more."""
    return {
        **{f"some {name}": _list(name, most) for name in ("nested objects", "wide texts", "integers")},
        "many objects": _list("objects", ROOM * 9),
        "keys": b"{%b}" % _filled((b'"%x":"z"' % number for number in count()), most),
        "text": b'"%b"' % (b"z" * (ROOM - 2)),
    }


@cache
def _for_parts(most: int) -> dict[str, bytes]:
    return {
        **{f"some {name}": _list(name, most) for name in ("numbers", "fractions", "lists", "objects", "texts")},
        "many numbers": _list("numbers", ROOM * 9),
        "long keys": b"{%b}" % _filled((b'"%060x":[]' % number for number in count()), most),
        "one key": b"{%b}" % _filled(repeat(b'"kind":{}'), most),
        "digits": b"9" * ROOM,
        "fraction": b"0." + b"9" * (ROOM - 2),
        "exponent": b"1e" + b"9" * (ROOM - 2),
        "text without end": b'"' + rb"\"" * (ROOM // 2 - 1),
        "blanks": b" " * ROOM,
    }


def _list(name: str, structure: int) -> bytes:
    return b"[%b]" % _filled(repeat(_ELEMENTS[name]), structure)


@cache
def _texts() -> dict[str, bytes]:
    texts = {text: text.encode() for text in _CHARACTERS}
    return {f"text of {text!r}": b'"%b"' % (raw * ((ROOM - 2) // len(raw))) for text, raw in texts.items()}


def _filled(elements: Iterator[bytes], structure: int) -> bytes:
    """Return as many of the elements as there are structure and room for."""
    taken: list[bytes] = []
    room, structure = ROOM - 2, structure - 100
    for each in elements:
        room -= len(each) + 1
        structure -= structure_of(each) + 1
        if room < 0 or structure < 0:
            break
        taken.append(each)
    return b",".join(taken)

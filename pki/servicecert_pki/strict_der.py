"""Whether bytes from outside are DER throughout: each value of their tree in its only form (ITU-T X.690)."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from . import der

# Requests nest some ten levels deep; more than this limit is an attack on the stack.
_DEEPEST = 32


def check_strict(encoded: bytes) -> der.Element:
    """Return the one value in `encoded`; raises ValueError for other bytes, or a value in its tree that is not DER.

    Of a value with a context's tag only the length is checked: its type is known to who knows the context.
    """
    element = der.read(encoded)
    if element.end != len(encoded):
        raise ValueError("bytes follow the value")
    _check_tree(encoded, element, _DEEPEST)
    return element


def _check_tree(encoded: bytes, element: der.Element, depth: int) -> None:
    if not depth:
        raise ValueError("the values are nested too deeply")
    if element.tag & 0x20:
        if element.tag < 0x40 and element.tag not in _CONSTRUCTED:
            raise ValueError("a value of a primitive type is constructed of several")
        for member in der.members(encoded, element):
            _check_tree(encoded, member, depth - 1)
    elif element.tag < 0x40 and element.tag not in _UNCHECKED:
        name, is_valid = _PRIMITIVE.get(element.tag, ("universal type", re.compile(b"(?!)").fullmatch))
        if not is_valid(encoded[element.content : element.end]):
            raise ValueError(f"a value is no valid {name}")


def _is_bit_string(content: bytes) -> bool:
    """Return whether at most seven bits are unused, none of no octet, and those are zero (X.690, 8.6.2 and 11.2.1)."""
    unused = content[0] if content else 8
    return unused == 0 or (unused < 8 and len(content) > 1 and not content[-1] & ((1 << unused) - 1))


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_time(digits: bytes, fraction: bytes) -> Callable[[bytes], bool]:
    """Return a check of times in UTC, with seconds, that exist (X.690, 11.7 and 11.8)."""
    form = re.compile(digits + rb"(\d\d)" * 5 + fraction + b"Z")

    def check(content: bytes) -> bool:
        if (read := form.fullmatch(content)) is None:
            return False
        year, month, day, hour, minute, second = map(int, read.groups())
        try:
            # Year 0 is a leap year, as 2000 is.
            datetime(year or 2000, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return False
        return True

    return check


_SHORTEST = re.compile(rb"(?!\x00[\x00-\x7f]|\xff[\x80-\xff]).+", re.DOTALL).fullmatch
_ARCS = re.compile(rb"((?!\x80)[\x80-\xff]*[\x00-\x7f])+").fullmatch

_CONSTRUCTED = frozenset({der.SEQUENCE, der.SET, 0x28, 0x2B, 0x3D})
"""The universal types that consist of others, in their only form: also EXTERNAL, EMBEDDED PDV and CHARACTER STRING."""

_UNCHECKED = frozenset({der.OCTET_STRING, 0x07, 0x09, 0x14, 0x15, 0x19, 0x1B})
"""Types of any content; also ObjectDescriptor, REAL, TeletexString, VideotexString, GraphicString, GeneralString."""

_PRIMITIVE: Mapping[int, tuple[str, Callable[[bytes], object]]] = MappingProxyType(
    {
        0x01: ("BOOLEAN", re.compile(rb"[\x00\xff]").fullmatch),
        der.INTEGER: ("INTEGER", _SHORTEST),
        der.BIT_STRING: ("BIT STRING", _is_bit_string),
        0x05: ("NULL", re.compile(b"").fullmatch),
        0x06: ("OBJECT IDENTIFIER", _ARCS),
        0x0A: ("ENUMERATED", _SHORTEST),
        der.UTF8_STRING: ("UTF8String", _is_utf8),
        0x0D: ("RELATIVE-OID", _ARCS),
        0x12: ("NumericString", re.compile(rb"[0-9 ]*").fullmatch),
        # The asterisk of a wildcard and the ampersand of a company are none of its characters, and clients write them.
        der.PRINTABLE_STRING: ("PrintableString", re.compile(rb"[A-Za-z0-9 '()+,./:=?*&-]*").fullmatch),
        0x16: ("IA5String", re.compile(rb"[\x00-\x7f]*").fullmatch),
        0x17: ("UTCTime", _is_time(rb"(\d\d)", b"")),
        0x18: ("GeneralizedTime", _is_time(rb"(\d{4})", rb"(?:\.\d*[1-9])?")),
        0x1A: ("VisibleString", re.compile(rb"[ -~]*").fullmatch),
        0x1C: ("UniversalString", re.compile(rb"(.{4})*", re.DOTALL).fullmatch),
        0x1E: ("BMPString", re.compile(rb"(..)*", re.DOTALL).fullmatch),
    }
)
"""The other universal types of one value: each one's name, and a check of its content (X.690, 8 and 11; X.680, 41)."""

"""DER encoding and reading of ITU-T X.690 values, as far as certificates and CRLs need them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
SEQUENCE = 0x30
SET = 0x31


def header(tag: int, size: int) -> bytes:
    """Return the identifier and length octets of a value of `size` bytes."""
    if size < 0x80:
        return bytes((tag, size))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length


def tlv(tag: int, *parts: bytes) -> bytes:
    """Encode the concatenated `parts` under `tag`."""
    return b"".join((header(tag, sum(map(len, parts))), *parts))


def sequence(*parts: bytes) -> bytes:
    return tlv(SEQUENCE, *parts)


def integer(number: int) -> bytes:
    """Encode a non-negative INTEGER; a negative one raises ValueError."""
    if number < 0:
        raise ValueError("a negative INTEGER has no place in a certificate")
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """Encode an OBJECT IDENTIFIER given as ``1.3.6.1``; a malformed one raises ValueError."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    if not (0 <= first <= 2 and 0 <= second < (40 if first < 2 else 1 << 32) and all(arc >= 0 for arc in rest)):
        raise ValueError(f"{dotted} is no object identifier")
    return tlv(0x06, *(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(0x80 | (number & 0x7F))
    return bytes(reversed(octets))


def bit_string(content: bytes) -> bytes:
    """Encode whole octets as a BIT STRING."""
    return tlv(BIT_STRING, b"\0", content)


def octet_string(content: bytes) -> bytes:
    return tlv(OCTET_STRING, content)


def named_bits(*positions: int) -> bytes:
    """Encode a named-bit list of at most eight bits: trailing zeros removed (X.690, 11.2.2)."""
    unused = 7 - max(positions)
    return tlv(BIT_STRING, bytes((unused, sum(0x80 >> position for position in positions))))


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Wrap the DER `value` of an extension (RFC 5280, 4.1); ``critical`` FALSE is the default and is not written."""
    flag = b"\x01\x01\xff" if critical else b""
    return sequence(oid(dotted), flag, octet_string(value))


def time(when: datetime) -> bytes:
    """Encode an aware time in UTC, truncated to the second: UTCTime through 2049, then GeneralizedTime.

    RFC 5280, 4.1.2.5. A naive time raises ValueError.
    """
    if when.tzinfo is None:
        raise ValueError("a time without a time zone cannot be encoded")
    when = when.astimezone(UTC)
    if when.year < 2050:
        return tlv(0x17, f"{when:%y%m%d%H%M%SZ}".encode())
    return generalized_time(when)


def generalized_time(when: datetime) -> bytes:
    """Encode an aware time as GeneralizedTime in UTC, truncated to the second."""
    return tlv(0x18, f"{when.astimezone(UTC):%Y%m%d%H%M%SZ}".encode())


class Element(NamedTuple):
    """One value within an encoding: its tag, and the offsets of its header, its content and the next value."""

    tag: int
    start: int
    content: int
    end: int


def read(encoded: bytes, start: int = 0, limit: int | None = None) -> Element:
    """Return the value that begins at `start`; raises ValueError for a header that is not DER."""
    limit = len(encoded) if limit is None else limit
    if start + 2 > limit:
        raise ValueError("the encoding ends inside a header")
    tag, size, content = encoded[start], encoded[start + 1], start + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of several octets has no place here")
    if size >= 0x80:
        content += size & 0x7F
        size = int.from_bytes(encoded[start + 2 : content], "big")
    if content + size > limit:
        raise ValueError("the encoding ends inside a value")
    if encoded[start + 1] >= 0x80 and encoded[start:content] != header(tag, size):
        raise ValueError("the length is not written in the shortest form")
    return Element(tag, start, content, content + size)


def members(encoded: bytes, element: Element) -> Iterator[Element]:
    """Yield the values inside a constructed `element`; raises ValueError like `read`."""
    start = element.content
    while start < element.end:
        member = read(encoded, start, element.end)
        yield member
        start = member.end


def parts(encoded: bytes) -> list[bytes]:
    """Return the encodings of the values inside a constructed one; raises ValueError like `read`."""
    return [encoded[it.start : it.end] for it in members(encoded, read(encoded))]

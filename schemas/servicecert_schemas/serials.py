"""Certificate serial numbers as people type or paste them (D1)."""

import re
import unicodedata
from collections.abc import Sequence

# A label that was copied with the number, with a bullet or a mark of quotation before it, and the base after it: as our
# own mails and page, OpenSSL, Java's keytool and Windows write it.
_BASE = r"(?:hex(?:adecimalt?)?|heksadesimaali[a-z]*|decimalt?|desimaali[a-z]*)(?![a-z0-9])"
_LABEL = re.compile(
    r"[-*\u2022> ]*(?:"
    r"(?:serial(?: ?(?:number|no\.?))?|serienummer|sarjanumero)(?![a-z0-9])"
    rf"(?:,? ?\(?(?P<base>{_BASE})\)?)?"
    rf"|(?:in )?(?P<alone>{_BASE})"
    r") ?[:=]?",
    re.IGNORECASE,
)

# Customers have mails whose files have the whole serial number in their names.
_FILE = re.compile(r"_([0-9a-f]{32,40})(?:-(?:full)?chain)?\.(?:pem|der|p12)(?![a-z0-9])")

_BOTH = re.compile(r"([0-9]{1,80}) \(0x([0-9a-f]{1,80})\)", re.IGNORECASE)
# Brackets and quotation marks, by their general category; and those that Unicode counts as others or as symbols.
_AROUND = frozenset({"Ps", "Pe", "Pi", "Pf"})
_MORE_AROUND = frozenset("\"'`\u00b4<>\u275b\u275c\u275d\u275e\uff02\uff07\uff1c\uff1e")
_BETWEEN = re.compile(r"[ :]|(?<=[0-9A-Fa-f])[-\u2010-\u2015](?=[0-9A-Fa-f])")

_LARGEST = (1 << 159) - 1
"""RFC 5280, 4.1.2.2: at most 20 octets, without the sign bit."""


def serial_readings(typed: str) -> frozenset[int]:
    """Return every serial number that a typed text can mean (D1); empty if it is none.

    Hexadecimal in any case, with colons, blanks, hyphens, leading zeros or `0x`, or decimal; in brackets, with a label,
    or whole lines of mails and tools. Digits alone have two readings; the caller knows which one exists. Of several
    numbers in one text each must mean the same.
    """
    text = _bare(" ".join(typed.split()))
    labels = list(_LABEL.finditer(text))
    if files := _FILE.findall(text):
        return _shared([_in_base(digits, "hex") for digits in files])
    if not labels:
        return _value(text, None)
    if labels[0].start() > 0:
        return frozenset()
    ends = [*(label.start() for label in labels[1:]), len(text)]
    return _shared(
        [
            _value(text[label.end() : end].rstrip(" \\.,;"), label["base"] or label["alone"])
            for label, end in zip(labels, ends, strict=True)
        ]
    )


def _shared(readings: Sequence[frozenset[int]]) -> frozenset[int]:
    return frozenset.intersection(*readings)


def _value(text: str, base: str | None) -> frozenset[int]:
    """Return the readings of a number without its label: maybe in brackets, or as `1234 (0x4D2)`."""
    text = _bare(text)
    if both := _BOTH.fullmatch(text):
        return _in_base(both[1], "dec") & _in_base(both[2], "hex")
    return _in_base(_BETWEEN.sub("", text), base)


def _bare(text: str) -> str:
    """Return a text without the pairs of brackets or quotation marks around it. The two of a pair may differ."""
    text = text.strip()
    while len(text) > 1 and _is_around(text[0]) and _is_around(text[-1]):
        text = text[1:-1].strip()
    return text


def _is_around(character: str) -> bool:
    return character in _MORE_AROUND or unicodedata.category(character) in _AROUND


def _in_base(digits: str, base: str | None) -> frozenset[int]:
    is_decimal = base is None or base.casefold().startswith("de")
    is_hexadecimal = base is None or not is_decimal
    readings = set[int]()
    if is_hexadecimal and (match := re.fullmatch(r"(?:0[xX])?([0-9A-Fa-f]{1,80})", digits)):
        readings.add(int(match[1], 16))
    if is_decimal and re.fullmatch(r"[0-9]{1,80}", digits):
        readings.add(int(digits))
    return frozenset(serial for serial in readings if 0 < serial <= _LARGEST)

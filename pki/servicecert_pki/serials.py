"""Certificate serial numbers: drawing, formatting, and parsing what a person typed."""

import os
import re
from collections.abc import Callable

# Serial numbers of 16 octets whose first bits are 01: always positive, always 16 octets, 126 bits random.
_OCTETS = 16

# A label that was copied with the number, and separators between digits.
_NAMED = re.compile(r"^\s*(?:serial(?:\s*number)?|serienummer|sarjanumero)\s*[=:]?", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s:\u200b\u2060\ufeff]|(?<=[0-9A-Fa-f])-(?=[0-9A-Fa-f])")

# RFC 5280, 4.1.2.2: at most 20 octets, without the sign bit.
LARGEST_SERIAL = (1 << 159) - 1


def draw_serial(random: Callable[[int], bytes] = os.urandom) -> int:
    """Return a positive serial number of 16 octets with 126 bits from `random`, a CSPRNG."""
    drawn = int.from_bytes(random(_OCTETS), "big")
    return drawn & ((1 << 126) - 1) | (1 << 126)


def serial_hex(serial: int) -> str:
    """Return a serial number as an even number of upper-case hexadecimal digits, like `openssl`."""
    digits = f"{serial:X}"
    return digits if len(digits) % 2 == 0 else "0" + digits


def serial_readings(typed: str) -> frozenset[int]:
    """Return every serial number that a typed text can mean (D1); empty if it is none.

    Hexadecimal in any case, with colons, spaces, hyphens, leading zeros or `0x`, or decimal; with a label as in
    `openssl` (`serial=…`), mails and portals. Digits alone have two readings; the caller knows which one exists.
    """
    digits = _BETWEEN.sub("", _NAMED.sub("", typed))
    digits = re.sub(r"^0[xX]", "", digits)
    readings = set[int]()
    if re.fullmatch(r"[0-9A-Fa-f]{1,80}", digits):
        readings.add(int(digits, 16))
    if re.fullmatch(r"[0-9]{1,80}", digits):
        readings.add(int(digits))
    return frozenset(serial for serial in readings if 0 < serial <= LARGEST_SERIAL)

"""Certificate serial numbers: drawing them, writing them, and reading what a person typed."""

import os
import re
from collections.abc import Callable

# Serial numbers of 16 octets whose first bits are 01: always positive, always 16 octets, 126 bits random.
_OCTETS = 16

# What stands before a number that was copied with its name, and what between its digits.
_NAMED = re.compile(r"^\s*(?:serial(?:\s*number)?|serienummer|sarjanumero)\s*[=:]?", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s:\u200b\u2060\ufeff]|(?<=[0-9A-Fa-f])-(?=[0-9A-Fa-f])")

# RFC 5280, 4.1.2.2: at most 20 octets, and the sign bit is not set.
LARGEST_SERIAL = (1 << 159) - 1


def draw_serial(random: Callable[[int], bytes] = os.urandom) -> int:
    """Draw a positive serial number of 16 octets with 126 bits from `random`, a CSPRNG."""
    drawn = int.from_bytes(random(_OCTETS), "big")
    return drawn & ((1 << 126) - 1) | (1 << 126)


def serial_hex(serial: int) -> str:
    """Write a serial number as an even number of upper-case hexadecimal digits, as `openssl` does."""
    digits = f"{serial:X}"
    return digits if len(digits) % 2 == 0 else "0" + digits


def serial_readings(typed: str) -> frozenset[int]:
    """Return every serial number that a person can have meant (D1); empty when the text is none.

    Hexadecimal in any case, with colons, spaces, hyphens, leading zeros or `0x`, or decimal; as `openssl` says it (`serial=…`) or as mails and portals
    name it. Text of digits alone has two readings, and only the caller knows which of them belongs to the decision at hand.
    """
    digits = _BETWEEN.sub("", _NAMED.sub("", typed))
    digits = re.sub(r"^0[xX]", "", digits)
    readings = set[int]()
    if re.fullmatch(r"[0-9A-Fa-f]{1,80}", digits):
        readings.add(int(digits, 16))
    if re.fullmatch(r"[0-9]{1,80}", digits):
        readings.add(int(digits))
    return frozenset(serial for serial in readings if 0 < serial <= LARGEST_SERIAL)

"""Certificate serial numbers: drawing and formatting. What a person typed is read by `servicecert_schemas.serials`."""

import os
from collections.abc import Callable

# Serial numbers of 16 octets whose first bits are 01: always positive, always 16 octets, 126 bits random.
_OCTETS = 16

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

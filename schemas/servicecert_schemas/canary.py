"""The cases of the canary, the synthetic application that goes all the way every few minutes: known by their ids.

Every process tells them from the key alone. Figures of the business leave them out.
"""

import re
import secrets
from uuid import UUID

_FIRST = 0xCA4A_4900_CA4A
"""The first 48 bits of their ids. No other id is one of these: the e-service draws its own as version 4 or 7."""

_KEY = re.compile(rf"{_FIRST >> 16:08x}-{_FIRST & 0xFFFF:04x}-8[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}")


def new_case_id() -> UUID:
    """Return a new id: a UUID of version 8 (RFC 9562 section 5.8) with a fixed first part and 74 random bits."""
    random = secrets.randbits(74)
    return UUID(int=_FIRST << 80 | 8 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def is_canary(key: str) -> bool:
    """Return whether a record's key, or a case id as text, is that of a case of the canary."""
    return _KEY.fullmatch(key) is not None

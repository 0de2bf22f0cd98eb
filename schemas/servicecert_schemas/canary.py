"""The cases of the canary: recognised by their ids alone, so that every process leaves them out of business figures."""

import secrets
from uuid import UUID

_PREFIX = "ca9a2100-0000-8000-8000-"
"""A UUID version 8 (RFC 9562 section 5.8), of which the last 48 bits are random."""


def new_case_id() -> UUID:
    """Return the id of a new case of the canary."""
    return UUID(_PREFIX + secrets.token_hex(6))


def is_canary(key: str) -> bool:
    """Return whether a record's key is the id of one of the canary's cases."""
    return key.startswith(_PREFIX)

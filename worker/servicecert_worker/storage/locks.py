"""Advisory locks by name. A secret of the schema is hashed into their numbers, so that no other login can guess one."""

from __future__ import annotations

from hashlib import sha256

from ..core.decider import Connection

_SALT = "select salt from lock_salt"


async def read_salt(connection: Connection) -> bytes:
    """Return the secret of the schema. Only the service's own role may read it."""
    salt: bytes = await connection.fetchval(_SALT)
    return salt


def lock_of(salt: bytes, name: str) -> int:
    """Return the number of a lock, a signed 64-bit hash: the SQL function `lock_of` returns the same."""
    return int.from_bytes(sha256(salt + name.encode()).digest()[:8], signed=True)

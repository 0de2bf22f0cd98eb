"""What OCSP responders are to know, as the database has it: for whoever has to tell them again (D8).

Whatever is told more than once, or later than it was so, changes nothing for them, so that the revoker may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from asyncpg import Record
from servicecert_schemas.revocation import RevocationReason, Standing, StandingChanged

from ..storage import QUERIES

_EVENTS = UUID("b1a7a2f0-0f7e-4d0b-8f5a-6a0a5b7b4c39")
_AT_ONCE = 2_000


async def read_standings(
    connection: asyncpg.Connection[Any], at_once: int = _AT_ONCE
) -> AsyncIterator[Sequence[StandingChanged]]:
    """All of them, some at a time. No transaction is open between two parts."""
    last = ""
    while rows := await connection.fetch(QUERIES["standings"], last, at_once):
        last = rows[-1]["key"]
        yield [_said(row) for row in rows]


def event_id(said: StandingChanged) -> UUID:
    """The id of its event, the same each time that the same is told again."""
    return uuid5(_EVENTS, f"{said.key()}/{said.standing}/{said.reason}")


def _said(row: Record) -> StandingChanged:
    certificate = {name: row[name] for name in ("issuer", "serial", "not_after")}
    if not row["listed"]:
        return StandingChanged(standing=Standing.VALID, **certificate)
    return StandingChanged(
        standing=Standing.REVOKED,
        reason=RevocationReason(row["reason"]),
        revoked_at=row["revoked_at"],
        invalid_since=row["invalid_since"],
        **certificate,
    )

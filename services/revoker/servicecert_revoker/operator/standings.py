"""The standings of all certificates from the database, to be published again for OCSP responders (D8).

A repeated or an outdated event changes nothing for a responder, so the revoker may run meanwhile.
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
    """Yield all of them in parts. No transaction is open between two parts."""
    last = ""
    while rows := await connection.fetch(QUERIES["standings"], last, at_once):
        last = rows[-1]["key"]
        yield [_event(row) for row in rows]


def event_id(event: StandingChanged) -> UUID:
    """Return the id of its event: the same each time that the same content is published."""
    return uuid5(_EVENTS, f"{event.key()}/{event.standing}/{event.reason}/{event.invalid_since}")


def _event(row: Record) -> StandingChanged:
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

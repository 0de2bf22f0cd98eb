"""What operators may ask of the issuer: to try a stopped application anew, and to give an intention up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from servicecert_worker.storage.operator_requests import Act, Operation

from ..storage import QUERIES

_SETTLES_AFTER = timedelta(minutes=1)
"""How old an intention is that may be given up; a younger one is about to be signed."""


@dataclass(frozen=True, slots=True)
class StoppedCase:
    """An application whose certificate did not pass the checks, and what was found."""

    key: str
    issuer: str
    type: str
    findings: str
    since: datetime


async def find_stopped(connection: asyncpg.Connection[Any], key: str | None = None) -> list[StoppedCase]:
    """The stopped applications, or the one of a case, the oldest first."""
    return [StoppedCase(**dict(row)) for row in await connection.fetch(QUERIES["stopped"], key)]


async def retry(connection: asyncpg.Connection[Any], keys: Sequence[str]) -> int:
    """Has stopped applications examined anew, soon. Answers how many."""
    async with connection.transaction():
        rows = await connection.fetch(QUERIES["retry"], list(keys))
        await Operation(connection, "ca retry").tell(Act(row["key"]) for row in rows)
    return len(rows)


async def give_up(connection: asyncpg.Connection[Any], key: str, reason: str) -> bool:
    """Has an intention end void unless it is signed before; whether there is one that is not about to be signed anyway."""
    async with connection.transaction():
        wanted = bool(await connection.fetchval(QUERIES["give_up"], key, reason, _SETTLES_AFTER))
        await Operation(connection, "ca void").tell([Act(key, {"reason": reason})] if wanted else [])
    return wanted

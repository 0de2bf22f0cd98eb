"""The count of a CA's standings, by which an OCSP responder knows that it has them all (D8)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import asyncpg
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.decider import Connection

from . import QUERIES


async def count_standings(
    of: "Connection | asyncpg.Pool[Any]", clock: Callable[[], datetime], issuer: str
) -> StandingsCount:
    """Return the count; what is committed later was decided later than `at`, or is a moment's work."""
    row = await of.fetchrow(QUERIES["count_standings"], issuer)
    assert row is not None
    return StandingsCount(at=clock(), **dict(row))

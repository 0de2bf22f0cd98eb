"""What the revoker shows beside the worker's numbers: the clock of D4, and what waits for an operator."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import asyncpg
from servicecert_worker.decider import Gauge

from ..storage import QUERIES


def open_gauges(pool: "asyncpg.Pool[Any]", clock: Callable[[], datetime]) -> tuple[Gauge, ...]:
    """The gauges. What is open is found by an index of its own, whatever is revoked already."""

    async def revocations() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["open"], clock())
        assert row is not None
        return {"open": row["open"], "late": row["late"]}

    async def oldest() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["open"], clock())
        assert row is not None
        return {"revoker": row["oldest"]}

    async def proposals() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["count_proposals"])
        assert row is not None
        return dict(row)

    return (
        Gauge(
            "servicecert_revocations",
            "Revocations that the world does not know of yet: open, and late.",
            "state",
            revocations,
        ),
        Gauge(
            "servicecert_revocation_oldest_seconds",
            "Age of the oldest open revocation, since it was asked for.",
            "service",
            oldest,
        ),
        Gauge(
            "servicecert_proposals",
            "The authority's own revocations that are not done: unconfirmed, stopped, running.",
            "state",
            proposals,
        ),
    )

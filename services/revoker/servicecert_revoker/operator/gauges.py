"""The revoker's own gauges: open revocations (D4), cascades (D6), and proposals that wait for an operator."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import asyncpg
from servicecert_worker.decider import Gauge

from ..domain.requests import TAKES_EFFECT_WITHIN
from ..storage import QUERIES


def open_gauges(pool: "asyncpg.Pool[Any]", clock: Callable[[], datetime]) -> tuple[Gauge, ...]:
    """Return the gauges. An index finds the open revocations, however many are done."""

    async def revocations() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["open"], clock(), TAKES_EFFECT_WITHIN)
        assert row is not None
        return {"open": row["open"], "late": row["late"]}

    async def oldest() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["open"], clock(), TAKES_EFFECT_WITHIN)
        assert row is not None
        return {"revoker": row["oldest"]}

    async def waiting() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["waiting_cascades"], clock(), TAKES_EFFECT_WITHIN)
        assert row is not None
        return dict(row)

    async def cascades() -> Mapping[str, float]:
        now = await waiting()
        return {"open": now["open"], "late": now["late"]}

    async def oldest_cascade() -> Mapping[str, float]:
        return {"revoker": (await waiting())["oldest"]}

    async def proposals() -> Mapping[str, float]:
        row = await pool.fetchrow(QUERIES["count_proposals"])
        assert row is not None
        return dict(row)

    return (
        Gauge(
            "servicecert_revocations",
            "Revocations, or changes of their entries, that relying parties cannot see yet: open, and late.",
            "state",
            revocations,
        ),
        Gauge(
            "servicecert_revocation_oldest_seconds",
            "Age of the oldest open revocation or change, since it was requested.",
            "service",
            oldest,
        ),
        Gauge(
            "servicecert_cascades",
            "Compromised keys whose other certificates wait for a confirmation or are not all revoked yet: open, and "
            "late.",
            "state",
            cascades,
        ),
        Gauge(
            "servicecert_cascade_oldest_seconds",
            "Age of the oldest open cascade, since an operator is needed.",
            "service",
            oldest_cascade,
        ),
        Gauge(
            "servicecert_proposals",
            "The authority's own revocations that are not done: unconfirmed, stopped (unconfirmed, of a compromised "
            "key), running.",
            "state",
            proposals,
        ),
    )

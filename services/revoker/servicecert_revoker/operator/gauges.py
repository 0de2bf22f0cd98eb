"""The revoker's own gauges: open revocations (D4), cascades (D6), proposals for an operator, and signs of an attack."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
from servicecert_worker.decider import Gauge

from ..domain.requests import TAKES_EFFECT_WITHIN
from ..storage import QUERIES

Read: TypeAlias = Callable[[], Awaitable[Mapping[str, float]]]


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


def trust_gauges(pool: "asyncpg.Pool[Any]", refusals: Read, alarms: Read) -> tuple[Gauge, ...]:
    """Return the gauges of what an attack would show in (F2, F3)."""

    async def responders() -> Mapping[str, float]:
        rows = await pool.fetch(QUERIES["responders_of_a_day"])
        return {row["environment"]: float(row["keys"]) for row in rows}

    async def seconds() -> Mapping[str, float]:
        return {"revoker": float(await pool.fetchval(QUERIES["second_certificates"]))}

    return (
        Gauge(
            "servicecert_signing_refused",
            "Orders that this worker refused to sign with a CA's key, by why; any is an attack or a defect.",
            "code",
            refusals,
        ),
        Gauge(
            "servicecert_certificate_alarms",
            "Events of certificates that were not as they must be, which this worker read, by what was wrong.",
            "code",
            alarms,
        ),
        Gauge(
            "servicecert_second_certificates", "Cases with a second certificate; any is an attack.", "service", seconds
        ),
        Gauge(
            "servicecert_responders_certified",
            "OCSP responders' keys that were certified in the last 24 hours.",
            "environment",
            responders,
        ),
    )

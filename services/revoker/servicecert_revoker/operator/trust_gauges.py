"""The gauges in which an attack on the revoker shows (F2, F3)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import asyncpg
from servicecert_worker.decider import Gauge

from ..storage import QUERIES

Read: TypeAlias = Callable[[], Awaitable[Mapping[str, float]]]


def trust_gauges(pool: "asyncpg.Pool[Any]", refusals: Read, alarms: Read) -> tuple[Gauge, ...]:
    """Return the gauges. `refusals` and `alarms` are this worker's, by code."""

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
            "servicecert_second_certificates",
            "Cases with a second certificate, at most 1,000; any is an attack.",
            "service",
            seconds,
        ),
        Gauge(
            "servicecert_responders_certified",
            "OCSP responders' keys that were certified in the last 24 hours.",
            "environment",
            responders,
        ),
    )

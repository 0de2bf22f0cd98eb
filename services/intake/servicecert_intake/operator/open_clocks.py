"""The metrics of running clocks (E2): how many, and how long until the first one ends."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from servicecert_schemas.deadline import DeadlineKind
from servicecert_worker.clock import Clock
from servicecert_worker.decider import Gauge

from ..domain.deadlines import lapse_time
from ..storage import QUERIES


def gauges(pool: "asyncpg.Pool[Any]", clock: Clock) -> tuple[Gauge, ...]:
    """Return the gauges. A clock that no case has shows no remaining time."""

    async def running() -> Mapping[str, float]:
        return {row["kind"]: row["open"] for row in await pool.fetch(QUERIES["open_clocks"])}

    async def remaining() -> Mapping[str, float]:
        first = {
            row["kind"]: row["first"] for row in await pool.fetch(QUERIES["open_clocks"]) if row["first"] is not None
        }
        ends = {kind: lapse_time(at) if kind == DeadlineKind.COMPLETION else at for kind, at in first.items()}
        return {kind: (end - clock()).total_seconds() for kind, end in ends.items()}

    return (
        Gauge(
            "servicecert_clocks_open",
            "Cases whose clock runs, by clock: completion (A12), delivery (A13).",
            "clock",
            running,
        ),
        Gauge(
            "servicecert_clock_left_seconds",
            "Seconds until the first of the clocks that run ends; negative once it is late. None where none runs.",
            "clock",
            remaining,
        ),
    )

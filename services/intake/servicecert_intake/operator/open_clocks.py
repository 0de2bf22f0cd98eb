"""What intake's metrics tell of the clocks that run (E2): how many, and how long until the first of them ends."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from servicecert_schemas.deadline import DeadlineKind
from servicecert_worker.clock import Clock
from servicecert_worker.decider import Gauge

from ..domain.deadlines import lapse_time
from ..storage import QUERIES


def gauges(pool: "asyncpg.Pool[Any]", clock: Clock) -> tuple[Gauge, ...]:
    """The gauges. A clock that none of the cases has shows no time that is left."""

    async def running() -> Mapping[str, float]:
        return {row["kind"]: row["open"] for row in await pool.fetch(QUERIES["open_clocks"])}

    async def left() -> Mapping[str, float]:
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
            left,
        ),
    )

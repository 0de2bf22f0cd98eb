"""What intake's metrics tell of the clocks that run (E2): how many, and how long until the first of them ends."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import asyncpg
from servicecert_schemas.deadline import DeadlineKind
from servicecert_worker.clock import Clock
from servicecert_worker.decider import Gauge

from .deadlines import lapse_time

_OPEN = files(__package__).joinpath("sql").joinpath("open_clocks.sql").read_text(encoding="utf-8")


def gauges(pool: "asyncpg.Pool[Any]", clock: Clock) -> tuple[Gauge, ...]:
    """The gauges. A clock that none of the cases has shows no time that is left."""

    async def running() -> Mapping[str, float]:
        return {row["kind"]: row["open"] for row in await pool.fetch(_OPEN)}

    async def left() -> Mapping[str, float]:
        first = {row["kind"]: row["first"] for row in await pool.fetch(_OPEN) if row["first"] is not None}
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

"""The notifier's own metrics: outcomes, deferred mails, mail servers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import asyncpg
from servicecert_worker.clock import Clock
from servicecert_worker.decider import Gauge

from ..storage import QUERIES

Read: TypeAlias = Callable[[], Awaitable[Mapping[str, float]]]
ReadPairs: TypeAlias = Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]


class Waiting:
    """The deferred mails and held reminders in the tables: the same for all workers."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def count(self) -> Mapping[str, float]:
        """Return the number of deferred mails, by kind."""
        return {row["kind"]: float(row["mails"]) for row in await self._rows()} or {"none": 0.0}

    async def age(self) -> Mapping[str, float]:
        """Return the age of the oldest deferred mail of each kind, in seconds."""
        return {row["kind"]: float(row["age"]) for row in await self._rows()} or {"none": 0.0}

    async def held(self) -> Mapping[str, float]:
        """Return the number of reminders with a future slot: within an hour, and later."""
        row = await self._pool.fetchrow(QUERIES["held_reminders"], self._clock())
        assert row is not None
        return {"within an hour": float(row["soon"]), "later": float(row["later"])}

    async def _rows(self) -> list[asyncpg.Record]:
        return await self._pool.fetch(QUERIES["waiting_mails"], self._clock())


def gauges(
    outcomes: ReadPairs, answers: Read, refusing: Read, connections: Read, waiting: Waiting
) -> tuple[Gauge, ...]:
    """Return the gauges, each with the source of its values."""
    return (
        Gauge(
            "servicecert_mails",
            "Attempts to hand a mail over since the worker's start, by outcome.",
            ("kind", "outcome"),
            outcomes,
        ),
        Gauge("servicecert_mails_deferred", "Mails that are retried.", "kind", waiting.count),
        Gauge("servicecert_mails_deferred_age_seconds", "Age of the oldest deferred mail.", "kind", waiting.age),
        Gauge(
            "servicecert_reminders_held_back",
            "Reminders that the rate limits hold back, by when they are sent.",
            "goes",
            waiting.held,
        ),
        Gauge(
            "servicecert_mail_last_answer",
            "The class of each mail server's last answer to a mail: 2, 4 or 5; 0 if it does not answer.",
            "relay",
            answers,
        ),
        Gauge(
            "servicecert_mail_server_refuses_us",
            "1 if a mail server refuses us, and not a recipient: its mails wait until an operator corrects it.",
            "relay",
            refusing,
        ),
        Gauge("servicecert_mail_connections", "Open SMTP conversations.", "relay", connections),
    )

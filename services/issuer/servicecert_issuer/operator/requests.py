"""Operators' requests: examine a stopped application again, and void an intent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
from servicecert_worker.storage.operator_requests import permitted

from ..storage import QUERIES

_SETTLES_AFTER = timedelta(minutes=1)
"""The age from which an intent can be voided; a younger one is about to be signed."""


@dataclass(frozen=True, slots=True)
class StoppedCase:
    """An application whose draft has findings."""

    key: str
    issuer: str
    type: str
    findings: str
    since: datetime


async def find_stopped(connection: asyncpg.Connection, key: str | None = None) -> list[StoppedCase]:
    """Return the stopped applications, or that of a case, the oldest first."""
    return [StoppedCase(**dict(row)) for row in await connection.fetch(QUERIES["stopped"], key)]


async def retry(connection: asyncpg.Connection, keys: Sequence[str]) -> int:
    """Schedule stopped applications to be examined again at once. Return how many."""
    return await permitted(connection.fetchval("select retry_stopped($1)", list(keys)))


async def give_up(connection: asyncpg.Connection, key: str, reason: str) -> bool:
    """Void an intent unless it is signed first. Return whether there is one that is old enough."""
    return await permitted(connection.fetchval("select give_up($1, $2, $3)", key, reason, _SETTLES_AFTER)) > 0

"""Operators' requests: publish the CRLs of CAs at once."""

from collections.abc import Iterable

import asyncpg
from servicecert_worker.storage.operator_requests import permitted

from ..domain.decide import schedule_key
from ..storage import QUERIES


async def published_cas(connection: asyncpg.Connection) -> list[str]:
    return [row["issuer"] for row in await connection.fetch(QUERIES["cas"])]


async def publish_now(connection: asyncpg.Connection, issuers: Iterable[str]) -> int:
    """Have all CRLs of these CAs published at once. Return of how many: those of the others are under way."""
    return await permitted(connection.fetchval("select publish_crls($1)", [schedule_key(it) for it in issuers]))

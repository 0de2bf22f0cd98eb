"""Telling OCSP responders again what the revoker's database knows, as far as the topic lacks it (D8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from servicecert_revoker.ocsp.domain.standings import Standings
from servicecert_revoker.operator.standings import event_id, read_standings
from servicecert_revoker.service import NAME
from servicecert_schemas.codec import to_record
from servicecert_schemas.revocation import StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS
from servicecert_worker.decider import Change
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage.operator_requests import Act, Operation

from ..connections import kafka
from ..connections.schema import connected


@dataclass(frozen=True, slots=True)
class Restated:
    """How many standings the database has, and how many of them the topic lacked."""

    known: int
    lacking: int


async def restate(url: str, place: Cluster, *, act: bool) -> Restated:
    """Publishes what the topic lacks, or only counts it. Each part is told in the audit in the transaction that waits for it. Raises OperatorError."""
    known = lacking = 0
    async with connected(url, NAME) as connection, AsyncExitStack() as stack:
        producer = await stack.enter_async_context(kafka.producer(place)) if act else None
        operation = Operation(connection, "standings")
        topic = await published(place)
        async for some, missing in _lacking(connection, topic):
            known, lacking = known + some, lacking + len(missing)
            if producer is None or not missing:
                continue
            now = datetime.now(UTC)
            async with connection.transaction():
                await operation.tell([Act("", {"standings": len(missing)})])
                records = [to_record(each, source=f"/{NAME}", id=event_id(each), time=now) for each in missing]
                await kafka.send(producer, place, records)
    return Restated(known, lacking)


async def published(place: Cluster) -> Standings:
    """All that OCSP responders are told now. Raises OperatorError."""
    topic = Standings()

    def take(change: Change) -> None:
        if isinstance(change.data, StandingChanged):
            topic.take(change.data, change.time)

    await kafka.read(place, CERTIFICATE_STANDINGS, take)
    return topic


async def _lacking(
    connection: asyncpg.Connection[Any], topic: Standings
) -> AsyncIterator[tuple[int, Sequence[StandingChanged]]]:
    """Part after part of what the database has: how many there are, and what would be news to whoever reads the topic."""
    async for some in read_standings(connection):
        now = datetime.now(UTC)
        yield len(some), [each for each in some if topic.take(each, now)]

"""Publishes certificate statuses that the revoker's database has and the topic of the OCSP responders lacks (D8)."""

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
from servicecert_worker.service_keys import TrustedKeys
from servicecert_worker.signatures import Signer, Verifier
from servicecert_worker.storage.operator_requests import OperatorAction, record

from ..connections import kafka
from ..connections.schema import connected

SOURCE = f"/{NAME}/standings"
"""Not the service's own: its database knows of no such record, see domain/fence.py of the worker."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The number of standings in the database, and how many of them the topic lacked."""

    known: int
    missing: int


async def republish(url: str, cluster: Cluster, keys: TrustedKeys, signer: Signer | None) -> Comparison:
    """Publish what the topic lacks, signed, or only count it without a signer. Raises OperatorError.

    A record that none of the revoker's pinned keys has signed counts as missing: responders do not believe it. The
    transaction that writes a batch's audit entry commits once the broker has the batch.
    """
    known = missing_count = 0
    async with connected(url, NAME) as connection, AsyncExitStack() as stack:
        producer = None if signer is None else await stack.enter_async_context(kafka.producer(cluster))
        topic = await published(cluster, keys)
        async for count, missing in _missing(connection, topic):
            known, missing_count = known + count, missing_count + len(missing)
            if producer is None or signer is None or not missing:
                continue
            now = datetime.now(UTC)
            async with connection.transaction():
                await record(connection, "standings", [OperatorAction("", {"standings": len(missing)})])
                records = [to_record(each, source=SOURCE, id=event_id(each), time=now) for each in missing]
                records = [signer.signed(record) for record in records]
                await kafka.send(producer, cluster, records)
    return Comparison(known, missing_count)


async def published(cluster: Cluster, keys: TrustedKeys) -> Standings:
    """Return all standings of the topic that the revoker has signed. Raises OperatorError."""
    topic = Standings()

    def take(change: Change) -> None:
        if isinstance(change.data, StandingChanged):
            topic.take(change.data, change.time)

    await kafka.read(cluster, CERTIFICATE_STANDINGS, take, verifier=Verifier(keys, cluster.prefix))
    return topic


async def _missing(
    connection: asyncpg.Connection[Any], topic: Standings
) -> AsyncIterator[tuple[int, Sequence[StandingChanged]]]:
    """Yield for each batch of the database its size and the standings that the topic lacks."""
    async for batch in read_standings(connection):
        now = datetime.now(UTC)
        yield len(batch), [each for each in batch if topic.take(each, now)]

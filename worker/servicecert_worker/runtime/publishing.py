"""How a service publishes: the relay its outbox, and by the same means the announcer what an act is about to do.

The relay publishes in order, and deletes what the broker acknowledged with its next look. The same statement notes up
to which offset it has written: see core/unknown.py.

One runs per service (an advisory lock), so that a key's events keep their order. If it dies between acknowledgement and
deletion, the events are published again under the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from time import time_ns
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import headers_of

from ..core.clock import machine_clock
from ..core.crash_points import crash_point
from ..core.faults import with_timeout
from ..kafka.cluster import Cluster
from ..kafka.partitioner import partition_for
from ..observe.telemetry import Telemetry
from ..storage import QUERIES

SEND_SECONDS = 30.0
"""How long an acknowledgement may take: aiokafka waits for ever."""

Reached: TypeAlias = dict[tuple[str, int], int]
"""The next offset of each partition after what was published, by the catalogue's name of the topic and the number."""


class Outgoing(NamedTuple):
    """An event to publish, with its signature, and its place among all of the service if it has one."""

    topic: str
    key: str
    id: UUID
    type: str
    traceparent: str | None
    at: datetime
    payload: bytes
    signature: str | None
    sequence: int | None = None


def producer_of(cluster: Cluster, service: str) -> AIOKafkaProducer:
    """Return an idempotent producer, so that the events of a key keep their order when sends are retried.

    It is aiokafka's and not FastStream's: docs/decisions/faststream.md says why.
    """
    return AIOKafkaProducer(
        **cluster.client,
        client_id=service,
        acks="all",
        enable_idempotence=True,
        partitioner=partition_for,
        max_batch_size=256 * 1024,
        request_timeout_ms=15_000,
    )


async def send_all(
    producer: AIOKafkaProducer, prefix: str, source: str, events: Iterable[Outgoing]
) -> list[RecordMetadata]:
    """Return where each event is, once all copies in sync have it. Raises `TimeoutError`, and what aiokafka raises."""
    async with asyncio.timeout(SEND_SECONDS):
        return await asyncio.gather(*[await _send(producer, prefix, source, each) for each in events])


async def _send(producer: AIOKafkaProducer, prefix: str, source: str, event: Outgoing) -> asyncio.Future[Any]:
    key, at = event.key, event.at.astimezone(UTC)
    envelope = Envelope(event.id, source, event.type, key, at, key, event.traceparent, event.signature, event.sequence)
    sent: asyncio.Future[Any] = await producer.send(
        prefix + event.topic,
        value=event.payload,
        key=key.encode(),
        headers=headers_of(envelope),
        # A broker refuses timestamps more than an hour ahead of its clock; SERVICECERT_CLOCK_AHEAD may set ours ahead.
        timestamp_ms=int(min(at, machine_clock()).timestamp() * 1000),
    )
    return sent


def reached(events: Iterable[Outgoing], sent: Iterable[RecordMetadata]) -> Reached:
    """Return how far the partitions are written by what was sent."""
    found: Reached = {}
    for event, each in zip(events, sent, strict=True):
        place = event.topic, each.partition
        found[place] = max(each.offset + 1, found.get(place, 0))
    return found


_ROWS = 500
_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 0.1
"""How long published events stay in the outbox if no others come: mostly, others come sooner."""


async def relay(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    cluster: Cluster,
    source: str,
    wake: asyncio.Event,
    telemetry: Telemetry,
) -> None:
    """Publish for ever; `wake` ends the pause between two looks at the outbox.

    Raises `TimeoutError` after 30 s without acknowledgement (aiokafka waits for ever), and asyncpg's and aiokafka's.
    """
    published: list[int] = []
    noted: Reached = {}
    try:
        while True:
            wake.clear()
            rows = await _next(connection, published, _ROWS, noted)
            if published:
                crash_point("relay-deleted")
            published = []
            if rows:
                noted = await _publish(producer, cluster.prefix, source, rows, telemetry)
            published = [row["id"] for row in rows]
            if len(rows) < _ROWS:
                with suppress(TimeoutError):
                    await with_timeout(_LINGER_SECONDS if published else _LOOK_SECONDS, wake.wait())
    finally:
        if published:
            # The next leader need not publish them again.
            with suppress(Exception):
                await with_timeout(_LOOK_SECONDS, _next(connection, published, 0, noted))


async def _next(
    connection: asyncpg.Connection[Any], published: list[int], limit: int, noted: Reached
) -> list[asyncpg.Record]:
    """Delete what is published, note how far the topics are written with it, and return the next rows."""
    topics, partitions = [topic for topic, _ in noted], [partition for _, partition in noted]
    rows: list[asyncpg.Record] = await connection.fetch(
        QUERIES["outbox"], published, limit, topics, partitions, list(noted.values())
    )
    return rows


async def _publish(
    producer: AIOKafkaProducer, prefix: str, source: str, rows: list[asyncpg.Record], telemetry: Telemetry
) -> Reached:
    crash_point("relay-read")
    read = time_ns()
    events = [
        Outgoing(
            row["topic"],
            row["key"],
            row["event_id"],
            row["type"],
            row["traceparent"],
            row["at"],
            row["payload"],
            row["signature"],
            row["id"],
        )
        for row in rows
    ]
    sent = await send_all(producer, prefix, source, events)
    crash_point("relay-acked")
    telemetry.sent(rows, [(each.partition, each.offset) for each in sent], read)
    return reached(events, sent)

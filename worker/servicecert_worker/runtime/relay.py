"""The relay publishes a service's outbox, in order, and deletes what the broker acknowledged with its next look.

The same statement notes up to which offset it has written: see domain/fence.py.

One runs per service (an advisory lock), so that a key's events keep their order. If it dies between acknowledgement and
deletion, the events are published again under the same ids.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC
from time import time_ns
from typing import Any, TypeAlias

import asyncpg
from aiokafka import AIOKafkaProducer
from servicecert_schemas.codec import headers_of
from servicecert_schemas.event import Envelope
from servicecert_schemas.signed_bytes import SIGNATURE

from ..clock import machine_clock
from ..faults import with_timeout
from ..kafka.cluster import Cluster
from ..kafka.partitioner import partition_for
from ..process.telemetry import Telemetry
from ..storage import QUERIES
from .crash_points import crash_point

SEND_SECONDS = 30.0
_ROWS = 500
_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 0.1
"""How long published events stay in the outbox if no others come: mostly, others come sooner."""
Reached: TypeAlias = dict[tuple[str, int], int]
"""The next offset of each partition, after what was published: by the catalogue's name of the topic, and the number."""


def relay_producer(cluster: Cluster, service: str) -> AIOKafkaProducer:
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
    reached: Reached = {}
    try:
        while True:
            wake.clear()
            rows = await _next(connection, published, _ROWS, reached)
            if published:
                crash_point("relay-deleted")
            published = []
            if rows:
                reached = await _publish(producer, cluster.prefix, source, rows, telemetry)
            published = [row["id"] for row in rows]
            if len(rows) < _ROWS:
                with suppress(TimeoutError):
                    await with_timeout(_LINGER_SECONDS if published else _LOOK_SECONDS, wake.wait())
    finally:
        if published:
            # The next leader need not publish them again.
            with suppress(Exception):
                await with_timeout(_LOOK_SECONDS, _next(connection, published, 0, reached))


async def _next(
    connection: asyncpg.Connection[Any], published: list[int], limit: int, reached: Reached
) -> list[asyncpg.Record]:
    """Delete what is published, note how far the topics are written with it, and return the next rows."""
    topics, partitions = [topic for topic, _ in reached], [partition for _, partition in reached]
    rows: list[asyncpg.Record] = await connection.fetch(
        QUERIES["outbox"], published, limit, topics, partitions, list(reached.values())
    )
    return rows


async def _publish(
    producer: AIOKafkaProducer, prefix: str, source: str, rows: list[asyncpg.Record], telemetry: Telemetry
) -> Reached:
    crash_point("relay-read")
    read = time_ns()
    async with asyncio.timeout(SEND_SECONDS):
        sent = await asyncio.gather(*[await _send(producer, prefix, source, row) for row in rows])
    crash_point("relay-acked")
    telemetry.sent(rows, [(each.partition, each.offset) for each in sent], read)
    reached: Reached = {}
    for row, each in zip(rows, sent, strict=True):
        place = row["topic"], each.partition
        reached[place] = max(each.offset + 1, reached.get(place, 0))
    return reached


async def _send(producer: AIOKafkaProducer, prefix: str, source: str, row: asyncpg.Record) -> asyncio.Future[Any]:
    key = row["key"]
    at = row["at"].astimezone(UTC)
    headers = headers_of(Envelope(row["event_id"], source, row["type"], key, at, key, row["traceparent"]))
    if row["signature"] is not None:
        headers.append((SIGNATURE, row["signature"].encode()))
    sent: asyncio.Future[Any] = await producer.send(
        prefix + row["topic"],
        value=row["payload"],
        key=key.encode(),
        headers=headers,
        # A broker refuses timestamps more than an hour ahead of its clock; SERVICECERT_CLOCK_AHEAD may set ours ahead.
        timestamp_ms=int(min(at, machine_clock()).timestamp() * 1000),
    )
    return sent

"""The relay publishes a service's outbox, in order, and deletes what the broker acknowledged with its next look.

The same statement notes up to which offset it has written: see core/unknown.py.

One runs per service (an advisory lock), so that a key's events keep their order. If it dies between acknowledgement and
deletion, the events are published again under the same ids.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import time_ns
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from ..core.crash_points import crash_point
from ..core.faults import with_timeout
from ..kafka.cluster import Cluster
from ..observe.telemetry import Telemetry
from ..storage import QUERIES
from .publishing import Outgoing, Reached, reached, send_all

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

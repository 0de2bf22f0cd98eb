"""How a service publishes: what the relay and the announcer share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import headers_of

from ..core.clock import machine_clock
from ..kafka.cluster import Cluster
from ..kafka.partitioner import partition_for

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

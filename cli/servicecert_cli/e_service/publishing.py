"""Publishing events from outside the services: as the e-service, or as the registers' loader."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.register import RegisterEntry

from ..connections import kafka
from ..connections.addresses import Cluster
from ..registers.loading import SOURCE as REGISTERS_LOADER
from ..registers.loading import event_id

E_SERVICE = "/e-service"
SEND_SECONDS = 30.0
_AT_ONCE = 5_000


async def publish(place: Cluster, *events: EventData) -> list[UUID]:
    """Publishes events as the e-service does, in order; answers their ids. Raises OperatorError."""
    now = datetime.now(UTC)
    ids = [uuid4() for _ in events]
    records = [to_record(data, source=E_SERVICE, id=id, time=now) for id, data in zip(ids, events, strict=True)]
    async with kafka.producer(place) as producer:
        await send(producer, place, records)
    return ids


async def load_registers(place: Cluster, entries: Iterable[RegisterEntry]) -> None:
    """Publishes register entries, in order and some at a time. One that was published before has the same event id. Raises OperatorError."""
    now = datetime.now(UTC)
    records = (to_record(each, source=REGISTERS_LOADER, id=event_id(each), time=now) for each in entries)
    async with kafka.producer(place) as producer:
        while some := list(islice(records, _AT_ONCE)):
            await send(producer, place, some)


async def send(producer: AIOKafkaProducer, place: Cluster, records: Sequence[Record]) -> None:
    """Sends records in order and returns when the broker has them all. Raises OperatorError where a topic is missing."""
    # A producer waits long for a topic that is missing.
    await kafka.partitions_of(place, {place.prefix + record.topic for record in records})
    async with asyncio.timeout(SEND_SECONDS):
        await asyncio.gather(
            *[
                await producer.send(
                    place.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
                )
                for record in records
            ]
        )

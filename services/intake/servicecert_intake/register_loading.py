"""Publishes register entries to the topic `registers`, from which intake takes them."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID, uuid5

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.register import RegisterEntry

SOURCE = "/registers-loader"
_EVENT_IDS = UUID("6f0f3c1c-8a4d-5b59-9d0a-6d3b0c7f5e21")
_AT_ONCE = 1_000
_SECONDS = 30.0


class RegistersNotPublished(Exception):
    """The broker did not take all entries; one sentence. Publishing them again does no harm."""


def event_id(entry: RegisterEntry) -> UUID:
    """The id of the event that says how an entry stands: the same for the same content, so that a repeated load repeats its events."""
    return uuid5(_EVENT_IDS, entry.model_dump_json())


async def publish(entries: Iterable[RegisterEntry], bootstrap_servers: str, at: datetime | None = None) -> int:
    """Publishes the entries, in order, and returns how many they were. `at` is the moment that they are dated, by default now.

    Raises `RegistersNotPublished`, and whatever `entries` raises.
    """
    at = at or datetime.now(UTC)
    records = (to_record(entry, source=SOURCE, id=event_id(entry), time=at) for entry in entries)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True, linger_ms=20)
    published = 0
    try:
        async with asyncio.timeout(_SECONDS):
            await producer.start()
        while some := list(islice(records, _AT_ONCE)):
            async with asyncio.timeout(_SECONDS):
                await _send(producer, some)
            published += len(some)
    except (KafkaError, OSError) as fault:
        raise RegistersNotPublished(
            f"The broker at {bootstrap_servers} took {published} entries and no more ({type(fault).__name__}); "
            "see that it runs and load the registers again."
        ) from None
    finally:
        await _stop(producer)
    return published


async def _send(producer: AIOKafkaProducer, records: list[Record]) -> None:
    sent = [await producer.send(each.topic, each.value, key=each.key, headers=each.headers) for each in records]
    await asyncio.gather(*sent)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stops the producer, which would wait for ever for a broker that is down."""
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await producer.stop()

"""Clients of Kafka for commands: opened and closed in order, silent, and with a sentence where the broker does not answer."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import Topic
from servicecert_worker.decider import Change
from servicecert_worker.faults import OperatorError, no_broker, with_timeout
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import change_of

OPEN_SECONDS = 15.0
SEND_SECONDS = 30.0
SILENT_SECONDS = 60.0
"""How long nothing may come of records that are there."""

# What aiokafka says of an outage by the second, a command says once.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@asynccontextmanager
async def admin(place: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client. Raises OperatorError where the broker does not answer, at the start or later."""
    client = AIOKafkaAdminClient(**place.client, request_timeout_ms=15_000)
    async with _opened(place, client.start, client.close):
        yield client


@asynccontextmanager
async def producer(place: Cluster) -> AsyncIterator[AIOKafkaProducer]:
    """An idempotent producer. Raises OperatorError where the broker does not answer."""
    client = AIOKafkaProducer(**place.client, acks="all", enable_idempotence=True, request_timeout_ms=15_000)
    async with _opened(place, client.start, client.stop):
        yield client


@asynccontextmanager
async def reader(place: Cluster, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group, or one that commits in a group's name. Raises OperatorError where the broker does not answer."""
    client = AIOKafkaConsumer(
        **place.client,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=15_000,
        fetch_max_wait_ms=100,
    )
    async with _opened(place, client.start, client.stop):
        yield client


async def partitions(place: Cluster, topic: Topic) -> list[int]:
    """The numbers of a topic's partitions, which may be more than the catalogue makes. Raises OperatorError where it is missing."""
    (numbers,) = (await partitions_of(place, [place.name(topic)])).values()
    return numbers


async def partitions_of(place: Cluster, names: Collection[str]) -> dict[str, list[int]]:
    """The numbers of the partitions of topics by their whole names. Raises OperatorError where one is missing, at once."""
    async with admin(place) as client:
        described = {each["topic"]: each for each in await client.describe_topics(sorted(names))}
    for name in sorted(names):
        if described[name]["error_code"] != 0:
            raise OperatorError(f"Kafka has no topic {name}: run `servicecert topics create`.", os.EX_CONFIG)
    return {name: sorted(part["partition"] for part in each["partitions"]) for name, each in described.items()}


async def records(place: Cluster, topic: Topic, only: Sequence[int] | None = None) -> AsyncGenerator[ConsumerRecord]:
    """All records that a topic has now, or some of its partitions, those of each partition in order. Raises OperatorError."""
    numbers = await partitions(place, topic) if only is None else only
    places = [TopicPartition(place.name(topic), number) for number in numbers]
    async with reader(place) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        now = asyncio.get_running_loop().time
        heard = now()
        while [each for each in places if await consumer.position(each) < ends[each]]:
            batches = await consumer.getmany(timeout_ms=500, max_records=5_000)
            if not batches and now() > heard + SILENT_SECONDS:
                raise unanswered(place)
            for each, batch in batches.items():
                for record in batch:
                    if record.offset < ends[each]:
                        yield record
            heard = now() if batches else heard


async def read(
    place: Cluster, topic: Topic, take: Callable[[Change], object], only: Sequence[int] | None = None
) -> None:
    """Gives `take` all that a topic says now, or some of its partitions, those of each partition in order. Raises OperatorError."""
    async with aclosing(records(place, topic, only)) as found:
        async for record in found:
            if (change := change_of(record)) is not None:
                take(change)


async def send(producer: AIOKafkaProducer, place: Cluster, records: Sequence[Record]) -> None:
    """Sends records in order and returns when the broker has them all. Raises OperatorError where a topic is missing."""
    # A producer waits long for a topic that is missing.
    await partitions_of(place, {place.prefix + record.topic for record in records})
    async with asyncio.timeout(SEND_SECONDS):
        await asyncio.gather(
            *[
                await producer.send(
                    place.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
                )
                for record in records
            ]
        )


@asynccontextmanager
async def _opened(place: Cluster, start: Any, stop: Any) -> AsyncIterator[None]:
    try:
        await with_timeout(OPEN_SECONDS, start())
        yield
    except (KafkaError, OSError, TimeoutError):
        raise unanswered(place) from None
    finally:
        # What is wrong is told already, or was done.
        with suppress(Exception):
            await with_timeout(OPEN_SECONDS, stop())


def unanswered(place: Cluster) -> OperatorError:
    """The broker does not answer."""
    return no_broker(place.bootstrap, place.access)

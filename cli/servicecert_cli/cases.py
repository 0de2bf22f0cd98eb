"""What is said of one case on the topic `cases`, from the first record on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.topics import CASES
from servicecert_worker.faults import OperatorError

from servicecert_cli import kafka
from servicecert_cli.addresses import Cluster

SECONDS = 30.0


async def newest(place: Cluster, case_id: UUID) -> CaseChanged | None:
    """The case as it now stands, None where nothing is known of it. Raises OperatorError."""
    found = None
    async with _reading(place, case_id) as (consumer, partition):
        end = (await consumer.end_offsets([partition]))[partition]
        async with asyncio.timeout(SECONDS):
            while await consumer.position(partition) < end:
                for case in _changes(await consumer.getmany(timeout_ms=500), case_id):
                    found = case
    return found


async def changes(place: Cluster, case_id: UUID) -> AsyncGenerator[CaseChanged, None]:
    """Every view of the case that is kept, and then those to come, for ever. Raises OperatorError."""
    async with _reading(place, case_id) as (consumer, _):
        while True:
            for case in _changes(await consumer.getmany(timeout_ms=500), case_id):
                yield case


@asynccontextmanager
async def _reading(place: Cluster, case_id: UUID) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    """A consumer of the one partition that the case's records are in."""
    topic = place.name(CASES)
    async with kafka.admin(place) as admin:
        (described,) = await admin.describe_topics([topic])
    if described["error_code"] != 0:
        raise OperatorError(f"Kafka has no topic {topic}: run `servicecert topics create`.", 78)
    numbers = sorted(part["partition"] for part in described["partitions"])
    partition = TopicPartition(topic, DefaultPartitioner()(str(case_id).encode(), numbers, numbers))
    async with kafka.reader(place) as consumer:
        consumer.assign([partition])
        yield consumer, partition


def _changes(batches: dict[TopicPartition, list[Any]], case_id: UUID) -> list[CaseChanged]:
    key = str(case_id).encode()
    found = []
    for record in (each for batch in batches.values() for each in batch if each.key == key):
        try:
            data = decode(record.key, record.headers, record.value)[1]
        except Undecodable:
            continue
        if isinstance(data, CaseChanged):
            found.append(data)
    return found

"""What the topic `cases` says: of one case from the first record on, or of all cases of an account as they now stand (E4)."""

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
                    found = case if case is None or found is None or case.version > found.version else found
    return found


async def changes(place: Cluster, case_id: UUID) -> AsyncGenerator[CaseChanged, None]:
    """Every view of the case that is kept, and then those to come, for ever. Raises OperatorError."""
    async with _reading(place, case_id) as (consumer, _):
        while True:
            for case in _changes(await consumer.getmany(timeout_ms=500), case_id):
                if case is not None:
                    yield case


async def of_account(place: Cluster, account_id: str) -> list[CaseChanged]:
    """The cases of an account as they now stand, the newest first. A case that was erased is not among them. Raises OperatorError."""
    found: dict[bytes, CaseChanged] = {}
    topic = place.name(CASES)
    partitions = [TopicPartition(topic, number) for number in await kafka.partitions(place, CASES)]
    async with kafka.reader(place) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(SECONDS) as limit:
            while [each for each in partitions if await consumer.position(each) < ends[each]]:
                batches = await consumer.getmany(timeout_ms=500)
                if batches:
                    limit.reschedule(asyncio.get_running_loop().time() + SECONDS)
                for record in (each for batch in batches.values() for each in batch):
                    if record.value is None:
                        found.pop(record.key, None)
                    elif (case := _decoded(record)) is not None and case.account_id == account_id:
                        found[record.key] = max(found.get(record.key, case), case, key=lambda each: each.version)
    return sorted(found.values(), key=lambda case: case.history[0].at, reverse=True)


@asynccontextmanager
async def _reading(place: Cluster, case_id: UUID) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    """A consumer of the one partition that the case's records are in."""
    numbers = await kafka.partitions(place, CASES)
    partition = TopicPartition(place.name(CASES), DefaultPartitioner()(str(case_id).encode(), numbers, numbers))
    async with kafka.reader(place) as consumer:
        consumer.assign([partition])
        yield consumer, partition


def _changes(batches: dict[TopicPartition, list[Any]], case_id: UUID) -> list[CaseChanged | None]:
    """What the records say of the case, None for that it is erased."""
    key = str(case_id).encode()
    records = [each for batch in batches.values() for each in batch if each.key == key]
    said = [(record, None if record.value is None else _decoded(record)) for record in records]
    return [case for record, case in said if record.value is None or case is not None]


def _decoded(record: Any) -> CaseChanged | None:
    """A case's view, None for any other record."""
    try:
        data = decode(record.key, record.headers, record.value)[1]
    except Undecodable:
        return None
    return data if isinstance(data, CaseChanged) else None

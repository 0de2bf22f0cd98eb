"""Reads every topic of events from the first record on, and keeps all records."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.event import CaseEvent, EventData
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.core.record import Record
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka

D = TypeVar("D", bound=EventData)
C = TypeVar("C", bound=CaseEvent)


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record, with its data if it is one of our events. `topic` is the catalogue's name."""

    topic: str
    record: Record
    data: EventData | None

    def line(self) -> str:
        """Return the record of an event as a line of JSON, with its value embedded."""
        record = self.record
        return json.dumps(
            {
                "time": record.written.isoformat(),
                "topic": self.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key and record.key.decode(),
                "headers": {name: raw and raw.decode() for name, raw in record.headers},
                "value": record.value and json.loads(record.value),
            },
            ensure_ascii=False,
        )


class TopicReader:
    """All records of the catalogue's topics, in the order in which they were read."""

    def __init__(self, cluster: Cluster, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        self.seen: list[SeenRecord] = []
        self._place = cluster
        self._consumer = consumer
        self._partitions = partitions
        self._more = asyncio.Condition()

    async def read(self) -> None:
        self._consumer.assign(self._partitions)
        while True:
            batches = await self._consumer.getmany(timeout_ms=1_000, max_records=500)
            records = sorted((each for batch in batches.values() for each in batch), key=lambda each: each.written)
            async with self._more:
                self.seen += [_seen(record, self._place.prefix) for record in records]
                self._more.notify_all()

    async def until(self, kind: type[D], is_match: Callable[[D], bool]) -> D:
        """Wait for the first event of one kind that matches, and return it."""
        checked = 0
        async with self._more:
            while True:
                for seen in self.seen[checked:]:
                    if isinstance(seen.data, kind) and is_match(seen.data):
                        return seen.data
                checked = len(self.seen)
                await self._more.wait()

    async def caught_up(self) -> None:
        """Wait until all records that are in the topics now are read."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        records = sum(ends.values()) - sum((await self._consumer.beginning_offsets(self._partitions)).values())
        async with self._more:
            await self._more.wait_for(lambda: len(self.seen) >= records)

    def events_of_case(self, case_id: UUID, kind: type[C]) -> list[C]:
        return [data for data in self.events_of_kind(kind) if data.case_id == case_id]

    def events_of_kind(self, kind: type[D]) -> list[D]:
        return [seen.data for seen in self.seen if isinstance(seen.data, kind)]

    def in_order(self) -> list[SeenRecord]:
        return sorted(self.seen, key=lambda seen: (seen.record.written, seen.topic, seen.record.partition))


@asynccontextmanager
async def reading_topics(cluster: Cluster) -> AsyncIterator[TopicReader]:
    """Read all topics of events until the context ends. Raises OperatorError."""
    numbers = await kafka.partitions_of(cluster, [cluster.name(topic) for topic in CATALOGUE if topic.events])
    partitions = [TopicPartition(name, each) for name in numbers for each in numbers[name]]
    async with kafka.reader(cluster) as consumer:
        witness = TopicReader(cluster, consumer, partitions)
        reading = asyncio.create_task(witness.read())
        try:
            yield witness
        finally:
            reading.cancel()
            await asyncio.wait([reading])


def _seen(record: Record, prefix: str) -> SeenRecord:
    topic = record.topic.removeprefix(prefix)
    try:
        _, data = decode(topic, record.key, record.headers, record.value)
    except Undecodable:
        data = None
    return SeenRecord(topic, record, data)

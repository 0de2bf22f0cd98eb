"""What becomes of Kafka's stored records with time, done now: what is older than a topic keeps is gone, and compaction has come by."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from servicecert_cli.connections import kafka
from servicecert_schemas.topics import CATALOGUE, Topic
from servicecert_worker.kafka.cluster import Cluster

SECONDS = 60.0
_AT_ONCE = {"segment.ms": "1", "max.compaction.lag.ms": "1", "min.cleanable.dirty.ratio": "0"}
_ANOTHER = b"no-case"


async def expire(place: Cluster) -> None:
    """Deletes what stands now in the topics that keep their records for a while only."""
    partitions = [
        TopicPartition(place.name(topic), number)
        for topic in CATALOGUE
        if topic.retention is not None
        for number in range(topic.partitions)
    ]
    async with kafka.reader(place) as reader, kafka.admin(place) as admin:
        ends = await reader.end_offsets(partitions)
        await admin.delete_records({each: RecordsToDelete(end) for each, end in ends.items()})


async def compact(place: Cluster, topic: Topic, key: bytes) -> None:
    """Lets a compacted topic be compacted at once, and waits until of the records of a key only the last is left."""
    await _configure(place, topic, {**topic.config, **_AT_ONCE})
    async with kafka.producer(place) as producer, asyncio.timeout(SECONDS):
        while len(await _values(place, topic, key)) > 1:
            # A segment that is written to is never compacted: each record closes the one before.
            for number in range(topic.partitions):
                await producer.send_and_wait(place.name(topic), None, key=_ANOTHER, partition=number)
            await asyncio.sleep(0.5)
    await _configure(place, topic, topic.config)


async def _values(place: Cluster, topic: Topic, key: bytes) -> list[bytes | None]:
    async with aclosing(kafka.records(place, topic)) as records:
        return [record.value async for record in records if record.key == key]


async def _configure(place: Cluster, topic: Topic, config: dict[str, str]) -> None:
    async with kafka.admin(place) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, place.name(topic), config)])

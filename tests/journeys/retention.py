"""Kafka's retention and compaction, forced to happen now."""

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


async def expire(cluster: Cluster) -> None:
    """Delete all current records of the topics with limited retention."""
    partitions = [
        TopicPartition(cluster.name(topic), number)
        for topic in CATALOGUE
        if topic.retention is not None
        for number in range(topic.partitions)
    ]
    async with kafka.reader(cluster) as reader, kafka.admin(cluster) as admin:
        ends = await reader.end_offsets(partitions)
        await admin.delete_records({each: RecordsToDelete(end) for each, end in ends.items()})


async def compact(cluster: Cluster, topic: Topic, key: bytes) -> None:
    """Compact a topic at once, and wait until only the last record of a key is left."""
    await _configure(cluster, topic, {**topic.config, **_AT_ONCE})
    async with kafka.producer(cluster) as producer, asyncio.timeout(SECONDS):
        while len(await _values(cluster, topic, key)) > 1:
            # The active segment is never compacted: each record closes the previous one.
            for number in range(topic.partitions):
                await producer.send_and_wait(cluster.name(topic), None, key=_ANOTHER, partition=number)
            await asyncio.sleep(0.5)
    await _configure(cluster, topic, topic.config)


async def _values(cluster: Cluster, topic: Topic, key: bytes) -> list[bytes | None]:
    async with aclosing(kafka.records(cluster, topic)) as records:
        return [record.value async for record in records if record.key == key]


async def _configure(cluster: Cluster, topic: Topic, config: dict[str, str]) -> None:
    async with kafka.admin(cluster) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, cluster.name(topic), config)])

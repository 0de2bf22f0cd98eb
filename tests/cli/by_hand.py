"""Partitions that were added by hand, where `servicecert topics grow` adds none."""

from __future__ import annotations

import asyncio
from itertools import count

from aiokafka.admin import NewPartitions
from servicecert_cli.connections import kafka
from servicecert_schemas.topics import Topic
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partition_for


async def move(cluster: Cluster, topic: Topic, key: str) -> None:
    """Add as many partitions as give a key another one, and wait until they are known."""
    before = partition_for(key.encode(), range(topic.partitions), ())
    more = next(it for it in count(topic.partitions) if partition_for(key.encode(), range(it), ()) != before)
    async with kafka.admin(cluster) as admin:
        await admin.create_partitions({cluster.name(topic): NewPartitions(more)})
    while len(await kafka.partitions(cluster, topic)) < more:  # noqa: ASYNC110  -- it is the broker's
        await asyncio.sleep(0.02)

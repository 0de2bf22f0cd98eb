"""What is kept for months or years passes within seconds: in Kafka by retention and compaction, in the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import asyncpg
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from servicecert_cli.connections import kafka
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_launcher import Kafka, Parts
from servicecert_schemas.topics import CATALOGUE, SERVICES, Topic
from servicecert_worker.kafka.cluster import Cluster

SECONDS = 60.0
_BROKER = """
log.initial.task.delay.ms=100
log.retention.check.interval.ms=200
log.segment.delete.delay.ms=1
log.cleaner.backoff.ms=200
"""
"""A broker's properties: it looks for what has passed its retention at once and often."""

_PASSED = {"retention.ms": "1"}
_COMPACTED = {"segment.ms": "1", "max.compaction.lag.ms": "1", "min.cleanable.dirty.ratio": "0"}
_NO_CASE = b"00000000-0000-0000-0000-000000000000"


@asynccontextmanager
async def own_broker(parts: Parts, identities: Identities) -> AsyncIterator[Parts]:
    """Start a broker that soon deletes what it may, beside the database of these parts."""
    broker = Kafka(secured=identities.broker, properties=_BROKER)
    await asyncio.to_thread(broker.start)
    try:
        yield replace(parts, bootstrap=broker.bootstrap, kafka=broker)
    finally:
        broker.kill()
        broker.stop()


async def pass_by(cluster: Cluster, kept: Callable[[], Awaitable[set[str]]]) -> None:
    """Let retention and compaction lag of all topics pass until nothing is `kept`. Fail if something is after a minute.

    No topic is written to but those that are compacted: a broker closes their segments only when they are.
    """
    passing = [topic for topic in CATALOGUE if topic.compacted or topic.retention]
    compacted = [topic for topic in passing if topic.compacted and topic.personal]
    end = time.monotonic() + SECONDS
    async with kafka.admin(cluster) as admin, kafka.producer(cluster) as producer:
        await admin.alter_configs([_passed(cluster, topic) for topic in passing])
        while places := await kept():
            assert time.monotonic() < end, places
            for topic in compacted:
                for number in await kafka.partitions(cluster, topic):
                    await producer.send_and_wait(cluster.name(topic), None, key=_NO_CASE, partition=number)
            await asyncio.sleep(0.2)


async def let_pass(system: System, moment: datetime) -> None:
    """Let the database take `moment` for five years ago: what ended before it may be erased."""
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        for service in SERVICES:
            await connection.execute(
                f"create or replace function {service}.erasable_before() returns timestamptz language sql stable"
                f" as $$ select '{moment.isoformat()}'::timestamptz $$"
            )
    finally:
        connection.terminate()


def _passed(cluster: Cluster, topic: Topic) -> ConfigResource:
    settings = {**topic.config, **(_COMPACTED if topic.compacted else _PASSED)}
    return ConfigResource(ConfigResourceType.TOPIC, cluster.name(topic), settings)

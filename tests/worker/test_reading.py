"""Looks at chosen parts of topics, on a real broker: a service has caught up once all before a moment is handled."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections import kafka
from servicecert_launcher import Parts
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.kafka import reading
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import is_caught_up
from toy import service as toy
from toy.stand import PARTITIONS, Stand, eventually, numbered

STEP = timedelta(milliseconds=1)


async def test_a_topic_is_read_whole_in_bounded_memory(parts: Parts, monkeypatch) -> None:
    """In several steps, each partition's records in order; partitions may be empty."""
    monkeypatch.setattr(reading, "_MOST", 3)
    cluster, topic = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-"), ACCEPTED_APPLICATIONS
    await create_topics(cluster, (topic,))
    found: list[Any] = []
    await reading.read_whole(cluster, topic, found.append)
    assert found == []
    keys = [str(number % 5) for number in range(30)]
    records = [Record(topic.name, key.encode(), [], str(place).encode()) for place, key in enumerate(keys)]
    async with kafka.producer(cluster) as producer:
        await kafka.send(producer, cluster, records)
    await reading.read_whole(cluster, topic, found.append)
    assert sorted(int(it.value) for it in found) == list(range(30))
    assert [int(it.value) for it in found if it.key == b"3"] == [3, 8, 13, 18, 23, 28]


async def test_A12_a_service_has_caught_up_once_the_records_are_handled(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work()
    await stand.send(numbered(case, "1"))
    await stand.wait_handled(1)
    assert await asyncio.to_thread(worker.stop, 10) == 0
    before = datetime.now(UTC) - STEP
    await stand.send(numbered(case, "2"))
    after = datetime.now(UTC) + STEP

    async def caught_up(until: datetime) -> bool:
        return await is_caught_up(Cluster(stand.bootstrap, stand.prefix), toy.NAME, toy.READS, until)

    assert await caught_up(before)
    assert not await caught_up(after)
    stand.work()
    await stand.wait_handled(2)
    await eventually(lambda: caught_up(after))


async def test_A12_records_that_do_not_exist_or_were_deleted_are_not_waited_for(stand: Stand) -> None:
    cluster, now = Cluster(stand.bootstrap, stand.prefix), datetime.now(UTC) + timedelta(minutes=1)
    # A new broker makes the topic of offsets at the first question about a group.
    await eventually(lambda: is_caught_up(cluster, toy.NAME, toy.READS, now))
    await stand.send(numbered(uuid4(), "1"))
    assert not await is_caught_up(cluster, toy.NAME, toy.READS, now)
    async with kafka.admin(cluster) as admin:
        for topic in toy.READS:
            for number in range(PARTITIONS):
                await admin.delete_records({TopicPartition(cluster.name(topic), number): RecordsToDelete(-1)})
    assert await is_caught_up(cluster, toy.NAME, toy.READS, now)


async def test_without_a_broker_a_service_has_not_caught_up() -> None:
    assert not await is_caught_up(Cluster("127.0.0.1:1"), toy.NAME, toy.READS, datetime.now(UTC))

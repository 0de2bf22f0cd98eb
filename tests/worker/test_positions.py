"""F7: records that were deleted before a group read them are counted, by a real broker's answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from servicecert_launcher import Child
from servicecert_schemas import topics
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import Follower
from servicecert_worker.kafka.internals import client_of, committed_offsets
from toy.stand import PARTITIONS, Stand, eventually, numbered


async def delete_all(stand: Stand) -> None:
    """Delete all records, as retention does, or an operator with kafka-delete-records."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stand.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({each: RecordsToDelete(-1) for each in partitions(stand)})
    finally:
        await admin.close()


def partitions(stand: Stand) -> list[TopicPartition]:
    return [TopicPartition(stand.prefix + topics.APPLICATIONS.name, number) for number in range(PARTITIONS)]


async def lost(stand: Stand, number: int) -> float:
    """Return the metric of a worker; 0 while there is none."""
    file = stand.health_file(number)
    if not file.exists() or not (address := file.read_text()):
        return 0.0
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("servicecert_lost_records_total{"))


def stop(worker: Child) -> None:
    assert worker.stop(60) == 0


@pytest.mark.parametrize("records", [0, 20], ids=["never read anything", "read on"])
async def test_F7_records_deleted_while_no_worker_ran_are_counted(stand: Stand, records: int) -> None:
    await stand.send(event for _ in range(records) for event in numbered(uuid4(), "a"))
    first = stand.work()
    await stand.wait_handled(records)
    await eventually(lambda: _all_committed(stand))
    stop(first)
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    await delete_all(stand)
    second = stand.work()

    async def counted() -> bool:
        return await lost(stand, 1) == 20

    await eventually(counted)
    assert second.tail(100).count("alarm: records were deleted before they were read; their writer has them") >= 1
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    await stand.wait_handled(records + 20)


async def _all_committed(stand: Stand) -> bool:
    """Also of partitions that had no record: what is deleted there later would not be missed."""
    client = client_of(stand.producer)
    return len(await committed_offsets(client, stand.prefix + "toy", partitions(stand))) == PARTITIONS


async def test_a_worker_that_begins_or_reads_on_where_others_ended_has_lost_nothing(stand: Stand) -> None:
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    first = stand.work()
    await stand.wait_handled(20)
    await eventually(lambda: _all_committed(stand))
    stop(first)
    await delete_all(stand)
    second = stand.work()
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    await stand.wait_handled(40)
    assert await lost(stand, 1) == 0
    assert "alarm" not in second.tail(100)


async def test_F7_records_deleted_before_a_follower_read_them_are_counted(stand: Stand) -> None:
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    async with _follower(stand) as follower:

        async def read() -> bool:
            return sum(follower.offsets.values()) == 20

        await eventually(read)
        await delete_all(stand)
        for partition in partitions(stand):
            follower._subscriber.consumer.seek(partition, 0)

        async def counted() -> bool:
            return follower.positions.lost.total() == 20

        await eventually(counted)
        # What is read on is new.
        await stand.send(event for _ in range(5) for event in numbered(uuid4(), "a"))

        async def read_on() -> bool:
            return sum(follower.offsets.values()) == 25

        await eventually(read_on)


@asynccontextmanager
async def _follower(stand: Stand) -> AsyncIterator[Follower]:
    broker = Broker(Cluster(stand.bootstrap, stand.prefix), "toy")

    async def reached(_: object) -> None: ...

    follower = Follower(broker, [topics.APPLICATIONS], lambda _: None, reached, Verifier({}, stand.prefix))
    await broker.start()
    try:
        yield follower
    finally:
        await broker.stop()

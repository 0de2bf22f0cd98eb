"""F7: records that were deleted before a group read them are counted, by a real broker's answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import GroupCoordinatorNotAvailableError
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


async def sent(stand: Stand) -> None:
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))


async def counted(stand: Stand, number: int, worker: Child) -> None:
    """Wait until a worker has counted the 20 records that were deleted unread."""

    async def lost_all() -> bool:
        return await lost(stand, number) == 20

    await eventually(lost_all)
    assert worker.tail(100).count("alarm: records were deleted before they were read; their writer has them") >= 1


async def test_F7_records_deleted_before_a_worker_read_anything_are_counted(stand: Stand) -> None:
    first = stand.work()
    await eventually(lambda: _all_committed(stand))
    stop(first)
    await sent(stand)
    await delete_all(stand)
    await counted(stand, 1, stand.work())
    await sent(stand)
    await stand.wait_handled(20)


async def test_F7_records_deleted_while_no_worker_ran_are_counted(stand: Stand) -> None:
    await sent(stand)
    first = stand.work()
    await stand.wait_handled(20)
    await eventually(lambda: _all_committed(stand))
    stop(first)
    await delete_all(stand)
    second = stand.work()
    await sent(stand)
    await stand.wait_handled(40)
    assert await lost(stand, 1) == 0
    assert "alarm" not in second.tail(100)
    await eventually(lambda: _all_committed(stand))
    stop(second)
    await sent(stand)
    await delete_all(stand)
    await counted(stand, 2, stand.work())
    await sent(stand)
    await stand.wait_handled(60)


async def test_I1_where_kafka_lost_what_was_read_a_group_begins_anew_for_its_next_worker_too(stand: Stand) -> None:
    await sent(stand)
    group = AIOKafkaConsumer(bootstrap_servers=stand.bootstrap, group_id=stand.prefix + "toy", enable_auto_commit=False)
    await group.start()
    group.assign(partitions(stand))
    beyond = {partition: end + 5 for partition, end in (await group.end_offsets(partitions(stand))).items()}
    await group.commit(beyond)
    worker = stand.work()
    await stand.wait_handled(20)

    async def lower() -> bool:
        committed = await committed_offsets(client_of(stand.producer), stand.prefix + "toy", partitions(stand))
        return all(committed[partition] == offset - 5 for partition, offset in beyond.items())

    await eventually(lower)
    await group.stop()
    assert "alarm: Kafka has lost records that were read" in worker.tail(100)
    assert await lost(stand, 1) == 0
    await sent(stand)
    await stand.wait_handled(40)


async def test_I1_a_follower_takes_what_takes_the_place_of_records_that_were_lost(stand: Stand) -> None:
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    async with _follower(stand) as follower:
        await eventually(partial(_has_read, follower, 20))
        offsets = dict(follower.offsets)
        for partition, offset in offsets.items():
            follower.offsets[partition] = offset + 5
            follower._subscriber.consumer.seek(partition, offset + 5)
        await eventually(partial(_has_read, follower, 20))
        assert follower.offsets == offsets


async def _all_committed(stand: Stand) -> bool:
    """Also of partitions that had no record: what is deleted there later would not be missed."""
    client = client_of(stand.producer)
    try:
        return len(await committed_offsets(client, stand.prefix + "toy", partitions(stand))) == PARTITIONS
    except GroupCoordinatorNotAvailableError:
        # The first group of a broker: its topic of offsets is not made yet.
        return False


async def test_F7_records_deleted_before_a_follower_read_them_are_counted(stand: Stand) -> None:
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    async with _follower(stand) as follower:
        await eventually(partial(_has_read, follower, 20))
        await delete_all(stand)
        for partition in partitions(stand):
            follower._subscriber.consumer.seek(partition, 0)

        async def counted() -> bool:
            return follower.positions.lost.total() == 20

        await eventually(counted)
        # What is read on is new.
        await stand.send(event for _ in range(5) for event in numbered(uuid4(), "a"))

        await eventually(partial(_has_read, follower, 25))


async def _has_read(follower: Follower, records: int) -> bool:
    return sum(follower.offsets.values()) == records


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

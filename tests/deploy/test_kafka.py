"""One broker: quick to start, and unchanged after it was killed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from servicecert_cli.admin.topics import create
from servicecert_cli.operations import cases
from servicecert_launcher import Kafka, free_port
from servicecert_schemas.topics import CASES
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster

pytestmark = pytest.mark.long

RECORDS = [f"record {n}".encode() for n in range(50)]
PLACE = TopicPartition("kept", 0)


@asynccontextmanager
async def admin_of(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    yield admin
    await admin.close()


async def produce(kafka: Kafka) -> None:
    async with admin_of(kafka) as admin:
        await admin.create_topics([NewTopic("kept", 1, 1)])
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        for value in RECORDS:
            await producer.send_and_wait("kept", value, partition=0)


async def consume(kafka: Kafka) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap) as consumer:
        consumer.assign([PLACE])
        await consumer.seek_to_beginning(PLACE)
        return [(await consumer.getone(PLACE)).value for _ in RECORDS]


async def cluster_id(kafka: Kafka) -> str:
    async with admin_of(kafka) as admin:
        return str((await admin.describe_cluster())["cluster_id"])


@pytest.fixture
def kafka() -> Iterator[Kafka]:
    broker = Kafka()
    broker.start()
    yield broker
    broker.stop()


async def test_a_killed_broker_comes_back_with_its_address_and_records(kafka: Kafka) -> None:
    address, cluster = kafka.bootstrap, await cluster_id(kafka)
    await produce(kafka)
    await asyncio.to_thread(kafka.kill)
    assert not kafka.alive
    await asyncio.to_thread(kafka.restart)
    assert (kafka.bootstrap, await cluster_id(kafka)) == (address, cluster)
    assert await consume(kafka) == RECORDS


async def test_a_running_broker_restarts_with_its_records(kafka: Kafka) -> None:
    before = kafka.pid
    await produce(kafka)
    await asyncio.to_thread(kafka.restart)
    assert kafka.pid != before
    assert await consume(kafka) == RECORDS


async def test_topics_groups_and_commits_work_at_once(kafka: Kafka) -> None:
    await produce(kafka)
    consumer = AIOKafkaConsumer(
        "kept", bootstrap_servers=kafka.bootstrap, group_id="kept", auto_offset_reset="earliest"
    )
    async with consumer:
        assert (await consumer.getone()).value == RECORDS[0]
        await consumer.commit()


async def test_index_files_are_small_so_that_the_first_record_is_quick(kafka: Kafka) -> None:
    await produce(kafka)
    sizes = [index.stat().st_size for index in kafka.log.parent.glob("logs/kept-0/*.index")]
    assert sizes
    assert max(sizes) <= 1048576


def test_a_frozen_broker_answers_nobody_until_it_is_thawed(
    kafka: Kafka, until: Callable[[Callable[[], bool]], None]
) -> None:
    kafka.freeze()
    assert not kafka._answers()
    kafka.thaw()
    until(kafka._answers)


async def test_two_brokers_at_once_have_nothing_in_common(kafka: Kafka) -> None:
    other = Kafka()
    await asyncio.to_thread(other.start)
    try:
        assert kafka.bootstrap != other.bootstrap
        assert await cluster_id(kafka) != await cluster_id(other)
        await produce(kafka)
        async with admin_of(other) as admin:
            assert await admin.list_topics() == []
    finally:
        other.stop()


def test_a_port_that_is_given_out_twice_serves_one_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    port, other = free_port(), free_port()
    ports = iter([port, port, other])
    monkeypatch.setattr("servicecert_launcher.kafka.free_port", ports.__next__)
    broker = Kafka()
    broker.start()
    try:
        assert broker.bootstrap.endswith(f":{port}")
    finally:
        broker.stop()


def test_a_port_in_use_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ports = iter([listener.getsockname()[1], free_port(), free_port(), free_port()])
        monkeypatch.setattr("servicecert_launcher.kafka.free_port", ports.__next__)
        broker = Kafka()
        broker.start()
        try:
            assert broker.alive
            assert not broker.bootstrap.endswith(f":{listener.getsockname()[1]}")
        finally:
            broker.stop()


def test_a_stopped_broker_leaves_no_folder_and_may_be_stopped_twice() -> None:
    broker = Kafka()
    broker.start()
    folder = broker.log.parent
    broker.stop()
    broker.stop()
    assert not folder.exists()
    assert not broker.alive


async def test_who_follows_a_case_is_told_that_the_broker_is_gone(kafka: Kafka, monkeypatch) -> None:
    monkeypatch.setattr(cases, "SILENT_SECONDS", 0.2)
    cluster = Cluster(kafka.bootstrap)
    await create(cluster, [CASES])

    async def follow() -> None:
        async with aclosing(cases.changes(cluster, uuid4())) as views:
            async for _ in views:
                raise AssertionError("Nobody has written.")

    asked, answered = AIOKafkaConsumer.end_offsets, asyncio.Event()

    async def noted(*arguments: Any) -> Any:
        found = await asked(*arguments)
        answered.set()
        return found

    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", noted)
    following = asyncio.create_task(follow())
    async with asyncio.timeout(90):
        await answered.wait()
    assert not following.done()
    await asyncio.to_thread(kafka.kill)
    with pytest.raises(OperatorError, match="Kafka does not answer at"):
        async with asyncio.timeout(90):
            await following

"""One broker: quick to start, and unchanged after it was killed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from servicecert_launcher import Kafka, free_port
from servicecert_launcher.exercise import exercise
from servicecert_launcher.java import Java, make_start_cache, prepare
from servicecert_launcher.kafka import train

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
    await exercise(kafka.bootstrap)


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


def test_a_port_that_is_given_out_twice_serves_one_listener() -> None:
    port, other = free_port(), free_port()
    ports = iter([port, port, other])
    broker = Kafka(choose_port=lambda: next(ports))
    broker.start()
    try:
        assert broker.bootstrap.endswith(f":{port}")
    finally:
        broker.stop()


def test_a_port_in_use_is_healed() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ports = iter([listener.getsockname()[1], free_port(), free_port(), free_port()])
        broker = Kafka(choose_port=lambda: next(ports))
        broker.start()
        try:
            assert broker.alive
            assert not broker.bootstrap.endswith(f":{listener.getsockname()[1]}")
        finally:
            broker.stop()


def test_a_stopped_broker_leaves_no_folder_and_may_be_stopped_twice() -> None:
    broker = Kafka(throughput=True)
    broker.start()
    folder = broker.log.parent
    broker.stop()
    broker.stop()
    assert not folder.exists()
    assert not broker.alive


def test_without_a_start_cache_a_broker_starts_all_the_same(tmp_path: Path) -> None:
    def broken(java: Java, file: Path) -> None:
        file.write_bytes(b"half a cache")
        raise OSError("no space left")

    java = prepare(Kafka()._cache, print, train)
    assert not make_start_cache(java, tmp_path / "start.aot", broken)
    assert list(tmp_path.iterdir()) == []
    broker = Kafka()
    broker._start_new(Java(java.program, java.class_path))
    try:
        assert broker.alive
    finally:
        broker.stop()

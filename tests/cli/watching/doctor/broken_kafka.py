"""What is broken at the brokers, topics and groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnsupportedCodecError
from aiokafka.structs import OffsetAndMetadata
from cli.watching.doctor.breaking import CRITICAL, WARNING, breaks
from cli.watching.doctor.installation import Installation
from servicecert_cli.connections import kafka
from servicecert_launcher.ports import HOST, free_port
from servicecert_schemas.topics import ACCOUNTS, APPLICATIONS, CASES, CATALOGUE, REGISTERS, Topic, parked_topic

PARKED = parked_topic("intake")


@breaks("Kafka does not answer at 127.0.0.1", KafkaDown=CRITICAL)
def kafka_is_down(it, patch, _) -> Iterator[None]:
    patch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"{HOST}:{free_port()}")
    yield


@breaks("Missing: intake.parked.", Topics=CRITICAL)
def a_topic_is_deleted(it, *_) -> Iterator[None]:
    it.do(deleted(it, PARKED.name))
    yield
    it.do(created(it, PARKED))


@breaks("Partitions were added by hand: accounts has 13 and not 12.", Partitions=WARNING)
def a_followed_topic_got_more_partitions(it, *_) -> Iterator[None]:
    async def grow() -> None:
        async with kafka.admin(it.cluster) as admin:
            await admin.create_partitions({it.cluster.name(ACCOUNTS): NewPartitions(13)})

    it.do(grow())
    yield
    it.do(deleted(it, ACCOUNTS.name))
    it.do(created(it, ACCOUNTS))


@breaks("intake.parked: retention.ms is 1000, not 31536000000.", TopicSettings=WARNING)
def a_topic_is_kept_for_a_second(it, *_) -> Iterator[None]:
    it.do(configured(it, {**PARKED.config, "retention.ms": "1000"}))
    yield
    it.do(configured(it, PARKED.config))


@breaks("cases: max.compaction.lag.ms is 9223372036854775807, not 604800000.", TopicSettings=CRITICAL)
def views_of_erased_cases_are_kept(it, *_) -> Iterator[None]:
    it.do(configured(it, {**CASES.config, "max.compaction.lag.ms": str(2**63 - 1)}, CASES))
    yield
    it.do(configured(it, CASES.config, CASES))


@breaks("intake.parked: no record can be written", Replication=CRITICAL)
def a_topic_needs_more_copies_than_it_has(it, *_) -> Iterator[None]:
    it.do(configured(it, {**PARKED.config, "min.insync.replicas": "2"}))
    yield
    it.do(configured(it, PARKED.config))


@breaks("No worker of notifier runs", ServiceDown=CRITICAL)
def a_service_has_no_worker(it, *_) -> Iterator[None]:
    it.do(it.stop_worker("notifier"))
    yield
    it.do(it.start_worker("notifier"))
    it.do(it.settled())


@breaks("notifier: nobody reads", PartitionsUnread=CRITICAL)
def a_worker_does_not_know_all_topics(it, *_) -> Iterator[None]:
    it.do(it.stop_worker("notifier"))
    it.do(it.start_worker("notifier", topics=1))
    yield
    it.do(it.stop_worker("notifier"))
    it.do(it.start_worker("notifier"))
    it.do(it.settled())


@breaks("issuer: 13 workers, of which 12 help.", IdleWorkers=WARNING)
def a_service_has_more_workers_than_partitions(it, *_) -> Iterator[None]:
    names = [f"issuer-{number}" for number in range(12)]
    it.do_all(it.start_worker("issuer", name) for name in names)
    yield
    it.do_all(it.stop_worker(name) for name in names)
    it.do(it.settled())


@breaks("Not ours: console-consumer in intake.", GroupClients=CRITICAL)
def a_stranger_joins_a_group(it, *_) -> Iterator[None]:
    it.do(it.start_worker("intake", "stranger", client_id="console-consumer"))
    yield
    it.do(it.stop_worker("stranger"))
    it.do(it.settled())


@breaks("3 records were deleted unread: intake applications/0.", RecordsLost=CRITICAL)
def records_are_deleted_before_they_are_read(it, *_) -> Iterator[None]:
    partition = TopicPartition(it.cluster.name(APPLICATIONS), 0)
    first = it.do(end(it, partition))
    it.do(committed(it, partition, first))
    it.do(written(it, APPLICATIONS.name, 3))
    it.do(emptied(it, partition))
    yield
    it.do(committed(it, partition, first + 3))


@breaks("intake is behind: the oldest event waits for 60 min.", LagHigh=WARNING)
def a_service_does_not_read(it, *_) -> Iterator[None]:
    partition = TopicPartition(it.cluster.name(APPLICATIONS), 0)
    it.do(committed(it, partition, it.do(end(it, partition))))
    it.do(written(it, APPLICATIONS.name, 2, hours=1))
    yield
    it.do(committed(it, partition, it.do(end(it, partition))))


@breaks("Cannot be read: intake applications/0 at offset", PartitionStalled=CRITICAL, LagHigh=WARNING)
def a_record_cannot_be_read(it, patch, _) -> Iterator[None]:
    partition = TopicPartition(it.cluster.name(APPLICATIONS), 0)
    it.do(committed(it, partition, it.do(end(it, partition))))
    it.do(written(it, APPLICATIONS.name, 2, hours=1))
    getmany = AIOKafkaConsumer.getmany

    async def fails(consumer: AIOKafkaConsumer, *partitions: TopicPartition, **limits: Any) -> Any:
        if partition in partitions:
            raise UnsupportedCodecError
        return await getmany(consumer, *partitions, **limits)

    patch.setattr(AIOKafkaConsumer, "getmany", fails)
    yield
    it.do(committed(it, partition, it.do(end(it, partition))))


@breaks("The topic is empty", RegistersEmpty=CRITICAL)
def the_registers_are_lost(it, *_) -> Iterator[None]:
    it.do(deleted(it, REGISTERS.name))
    it.do(created(it, REGISTERS))
    yield
    it.do(it.load_registers())


@breaks("was loaded for 40 days", RegistersStale=WARNING)
def the_registers_are_old(it, *_) -> Iterator[None]:
    it.do(deleted(it, REGISTERS.name))
    it.do(created(it, REGISTERS))
    it.do(written(it, REGISTERS.name, 1, hours=40 * 24 + 1))
    yield
    it.do(it.load_registers())


async def deleted(it: Installation, name: str) -> None:
    async with kafka.admin(it.cluster) as admin:
        await admin.delete_topics([it.cluster.prefix + name])
        while it.cluster.prefix + name in await admin.list_topics():
            pass


async def created(it: Installation, topic: Any) -> None:
    assert topic in CATALOGUE
    async with kafka.admin(it.cluster) as admin:
        name = it.cluster.name(topic)
        await admin.create_topics([NewTopic(name, topic.partitions, 1, topic_configs=topic.config)])
        while name not in await admin.list_topics():
            pass


async def configured(it: Installation, config: dict[str, str], topic: Topic = PARKED) -> None:
    async with kafka.admin(it.cluster) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, it.cluster.name(topic), config)])


async def end(it: Installation, partition: TopicPartition) -> int:
    async with kafka.reader(it.cluster) as reader:
        return int((await reader.end_offsets([partition]))[partition])


async def committed(it: Installation, partition: TopicPartition, offset: int) -> None:
    await it.workers["intake"].commit({partition: OffsetAndMetadata(offset, "")})


async def written(it: Installation, topic: str, records: int, hours: float = 0) -> None:
    """Write records into partition 0, with a time so many hours ago."""
    at = int((datetime.now(UTC).timestamp() - hours * 3600) * 1000)
    producer = AIOKafkaProducer(bootstrap_servers=it.cluster.bootstrap)
    await producer.start()
    try:
        for _ in range(records):
            await producer.send_and_wait(it.cluster.prefix + topic, b"{}", key=b"key", partition=0, timestamp_ms=at)
    finally:
        await producer.stop()


async def emptied(it: Installation, partition: TopicPartition) -> None:
    async with kafka.admin(it.cluster) as admin:
        await admin.delete_records({partition: RecordsToDelete(-1)})

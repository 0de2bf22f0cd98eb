"""Register entries on their way to the topic, on a real broker."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from servicecert_intake.register_file import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.register_loading import RegistersNotPublished, event_id, publish
from servicecert_schemas.codec import decode
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import REGISTERS

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ENTRIES = list(read_register(FICTITIOUS_REGISTERS))


async def test_I2_a_repeated_load_repeats_its_events(parts):
    await ensure_topic(parts.bootstrap)
    assert await publish(ENTRIES, parts.bootstrap, AT) == len(ENTRIES)
    assert await publish(iter(ENTRIES), parts.bootstrap) == len(ENTRIES)
    seen = await seen_twice(parts.bootstrap, {event_id(entry) for entry in ENTRIES})
    assert all(first == second for first, second in seen)
    assert {first.key() for first, _ in seen} == {entry.key() for entry in ENTRIES}


def test_another_content_is_another_event():
    changed = ENTRIES[0].model_copy(update={"entry": ENTRIES[0].entry.model_copy(update={"name": "Uusi nimi"})})
    assert event_id(changed) != event_id(ENTRIES[0])


async def test_a_broker_that_is_not_there_is_one_sentence():
    with pytest.raises(RegistersNotPublished, match=r"^The broker at 127\.0\.0\.1:1 took 0 entries and no more"):
        await publish(ENTRIES, "127.0.0.1:1")


async def ensure_topic(bootstrap_servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(REGISTERS.name, REGISTERS.partitions, 1, topic_configs=REGISTERS.config)])
    finally:
        await admin.close()


async def seen_twice(bootstrap_servers: str, ids: set[UUID]) -> list[list[EventData]]:
    """The data of the first two records of each of the events: others may have written to the topic as well."""
    seen: dict[UUID, list[EventData]] = {id: [] for id in ids}
    consumer = AIOKafkaConsumer(REGISTERS.name, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            while any(len(data) < 2 for data in seen.values()):
                record = await consumer.getone()
                envelope, data = decode(record.key, record.headers, record.value)
                seen.get(envelope.id, []).append(data)
    finally:
        await consumer.stop()
    return [data[:2] for data in seen.values()]

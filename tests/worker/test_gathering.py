"""Topics that nobody waits for: their records gather, those of others do not wait, and nothing is passed by."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from servicecert_schemas import topics
from servicecert_worker.kafka import gathering
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.gathering import FETCH_SECONDS, MANY, MANY_PATIENT, Gathering
from servicecert_worker.kafka.internals import set_fetch_wait
from servicecert_worker.kafka.source import Source
from toy.app import subscribe
from toy.stand import Stand, eventually, numbered

URGENT, PATIENT = topics.APPLICATIONS.name, topics.CERTIFICATES.name


@asynccontextmanager
async def reading(stand: Stand, seconds: float):
    """Yield the batches, as lists of topic and offset, that a source gets in turn."""
    broker = Broker(Cluster(stand.bootstrap, stand.prefix), "toy")
    names = [stand.prefix + name for name in (URGENT, PATIENT)]
    source = Source(broker, names, stand.prefix + "patient", gathering=Gathering(names[1:], seconds))
    subscribe(broker, source)
    batches: list[list[str]] = []

    def take() -> None:
        records = source.take(1_000)
        source.handled(records)
        batches.append([record.topic.removeprefix(stand.prefix) for record in records])

    source.bind(take, lambda: 1_000)
    watching = asyncio.create_task(source.watch())
    await broker.start()
    try:
        yield batches
    finally:
        await source.finish()
        await broker.stop()
        watching.cancel()
        await asyncio.wait([watching])


def count(batches: list[list[str]], topic: str) -> int:
    return sum(batch.count(topic) for batch in batches)


async def test_what_nobody_waits_for_gathers_and_holds_up_nothing(stand: Stand) -> None:
    async with reading(stand, seconds=3.0) as batches:

        async def came(topic: str, records: int) -> None:
            await eventually(lambda: _came(batches, topic, records))

        await stand.send(numbered(uuid4(), *map(str, range(MANY_PATIENT))), PATIENT)
        await came(PATIENT, MANY_PATIENT)
        for number in range(10):
            await stand.send(numbered(uuid4(), str(number)), PATIENT)
        await stand.send(numbered(uuid4(), "1"), URGENT)
        await came(URGENT, 1)
        assert count(batches, PATIENT) == MANY_PATIENT, "the urgent one did not wait for them"
        await came(PATIENT, MANY_PATIENT + 10)
        assert batches[-1].count(PATIENT) > 1, "they came together"


async def test_a_backlog_is_read_without_a_pause(stand: Stand) -> None:
    await stand.send([each for _ in range(3_000) for each in numbered(uuid4(), "1")], PATIENT)
    async with reading(stand, seconds=600.0) as batches:
        await eventually(lambda: _came(batches, PATIENT, 3_000))


async def test_fetches_wait_while_many_records_come(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def noted(consumer: AIOKafkaConsumer, seconds: float | None, some_bytes: int = 1) -> None:
        waits.append(seconds)
        set_fetch_wait(consumer, seconds, some_bytes)

    monkeypatch.setattr(gathering, "set_fetch_wait", noted)

    async def last_is(expected: float | None) -> bool:
        return waits[-1:] == [expected]

    async with reading(stand, seconds=0.0) as batches:
        await stand.send(numbered(uuid4(), "1"), URGENT)
        await eventually(lambda: _came(batches, URGENT, 1))
        assert set(waits) == {None}, "a single record comes at once"
        await stand.send([each for _ in range(MANY) for each in numbered(uuid4(), "1")], URGENT)
        await eventually(partial(last_is, FETCH_SECONDS))
        await eventually(partial(last_is, None))
        await stand.send(numbered(uuid4(), "1"), URGENT)
        await eventually(lambda: _came(batches, URGENT, MANY + 2))


async def _came(batches: list[list[str]], topic: str, records: int) -> bool:
    return count(batches, topic) == records

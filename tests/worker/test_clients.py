"""What a client of Kafka cancels in its own house ends nobody else."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_deploy import Parts
from servicecert_schemas import topics
from servicecert_worker.faults import Abandoned, uncancelled, within
from servicecert_worker.kafka import clients
from servicecert_worker.kafka.source import Source
from toy.stand import Stand, cancelled, eventually, numbered


async def cancelled_by_its_owner() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("guard", [uncancelled, lambda act: within(5, act)], ids=["uncancelled", "within"])
async def test_a_cancellation_that_nobody_asked_for_is_a_fault(guard) -> None:
    with pytest.raises(Abandoned):
        await guard(cancelled_by_its_owner())


@pytest.mark.parametrize("guard", [uncancelled, lambda act: within(5, act)], ids=["uncancelled", "within"])
async def test_a_cancellation_that_was_asked_for_stays_one(guard) -> None:
    await cancelled(guard(asyncio.Event().wait()))


async def swallows(fault: Exception | None) -> str:
    """Takes no notice of a cancellation, as asyncio.wait_for does up to Python 3.11 where what it awaits has just ended."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if fault:
            raise fault from None
    return "done"


@pytest.mark.parametrize("fault", [None, ConnectionResetError()], ids=["a result", "a fault"])
@pytest.mark.parametrize("guard", [uncancelled, lambda act: within(5, act)], ids=["uncancelled", "within"])
async def test_a_cancellation_that_was_asked_for_is_not_swallowed(guard, fault) -> None:
    await cancelled(guard(swallows(fault)))


async def test_what_a_cancelled_task_cleans_up_is_not_cancelled() -> None:
    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await within(5, asyncio.sleep(0))
            with pytest.raises(Abandoned):
                await within(5, cancelled_by_its_owner())
            cleaned.set()

    cleaned = asyncio.Event()
    await cancelled(cleans_up())
    assert cleaned.is_set()


async def test_a_timeout_that_is_swallowed_is_one_all_the_same() -> None:
    with pytest.raises(TimeoutError):
        await within(0.01, swallows(None))


async def test_a_timeout_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        await within(0.01, asyncio.Event().wait())


async def fetching_in_vain(stand: Stand, parts: Parts) -> AIOKafkaConsumer:
    """A consumer whose broker has died, in the pause before it fetches again."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stand.bootstrap, group_id=None, retry_backoff_ms=60_000)
    await consumer.start()
    consumer.assign([TopicPartition(stand.prefix + topics.APPLICATIONS.name, 0)])
    await consumer.seek_to_beginning()

    async def fetches() -> bool:
        return any("_proc_fetch_request" in repr(task) for task in consumer._fetcher._pending_tasks)

    await eventually(fetches)
    assert parts.kafka is not None
    await asyncio.to_thread(parts.kafka.kill)

    async def pauses() -> bool:
        return any("sleep" in repr(task.get_coro().cr_await) for task in consumer._fetcher._pending_tasks)

    await eventually(pauses)
    return consumer


async def test_a_consumer_whose_broker_died_is_stopped_and_leaves_nothing(stand: Stand, parts: Parts) -> None:
    before = asyncio.all_tasks()
    try:
        bare = await fetching_in_vain(stand, parts)
        with pytest.raises(asyncio.CancelledError):
            await bare.stop()
        await bare._client.close()
        assert parts.kafka is not None
        await asyncio.to_thread(parts.kafka.restart)

        consumer = await fetching_in_vain(stand, parts)
        await clients.stop(consumer)

        async def nothing_left() -> bool:
            return asyncio.all_tasks() <= before

        await eventually(nothing_left)
    finally:
        assert parts.kafka is not None
        await asyncio.to_thread(parts.kafka.restart)


async def test_a_consumer_that_nobody_fetches_for_any_more_is_given_up(stand: Stand) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=stand.bootstrap, group_id=None)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(stand.prefix + topics.APPLICATIONS.name, 0)])
        assert await clients.fetched(consumer, 1, 10) == {}
        consumer._fetcher._fetch_task.cancel()
        with pytest.raises(Abandoned):
            await clients.fetched(consumer, 100, 10)
    finally:
        await clients.stop(consumer)


async def test_I1_a_worker_whose_consumer_stopped_fetching_opens_another(stand: Stand) -> None:
    opened: list[AIOKafkaConsumer] = []

    class Watched(Source):
        def _open(self) -> AIOKafkaConsumer:
            opened.append(super()._open())
            return opened[-1]

    name = stand.prefix + topics.APPLICATIONS.name
    source = Watched([name], stand.prefix + "given-up", stand.bootstrap, 6, lambda: None, lambda: 10)
    reading = asyncio.create_task(source.run())
    try:

        async def assigned() -> bool:
            return source.assigned() > 0

        await eventually(assigned)
        opened[0]._fetcher._fetch_task.cancel()
        await stand.send(numbered(uuid4(), "1"))

        async def read() -> bool:
            return len(source) == 1

        await eventually(read)
        assert len(opened) == 2
    finally:
        reading.cancel()
        await asyncio.wait([reading])

"""What a client of Kafka cancels in its own house ends nobody else."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_deploy import Parts
from servicecert_schemas import topics
from servicecert_worker import clients
from servicecert_worker.faults import Abandoned, uncancelled, within
from toy.stand import Stand, eventually


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
    task = asyncio.create_task(guard(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


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

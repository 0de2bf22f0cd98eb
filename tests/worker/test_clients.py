"""What a Kafka client cancels internally does not end its caller."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from listening import talking
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_launcher import Parts
from servicecert_schemas import topics
from servicecert_worker.core.faults import UnexpectedCancellation, guard_cancellation, run_together, with_timeout
from servicecert_worker.kafka import clients, internals
from toy.stand import Stand, assert_cancelled, eventually


async def cancelled_by_its_owner() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    "guard", [guard_cancellation, lambda act: with_timeout(5, act)], ids=["guard_cancellation", "with_timeout"]
)
async def test_a_cancellation_that_nobody_asked_for_is_a_fault(guard) -> None:
    with pytest.raises(UnexpectedCancellation):
        await guard(cancelled_by_its_owner())


@pytest.mark.parametrize(
    "guard", [guard_cancellation, lambda act: with_timeout(5, act)], ids=["guard_cancellation", "with_timeout"]
)
async def test_a_cancellation_that_was_asked_for_stays_one(guard) -> None:
    await assert_cancelled(guard(asyncio.Event().wait()))


async def swallows(fault: Exception | None) -> str:
    """Ignore a cancellation, as asyncio.wait_for may up to Python 3.11."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if fault:
            raise fault from None
    return "done"


@pytest.mark.parametrize("fault", [None, ConnectionResetError()], ids=["a result", "a fault"])
@pytest.mark.parametrize(
    "guard", [guard_cancellation, lambda act: with_timeout(5, act)], ids=["guard_cancellation", "with_timeout"]
)
async def test_a_cancellation_that_was_asked_for_is_not_swallowed(guard, fault) -> None:
    await assert_cancelled(guard(swallows(fault)))


async def test_what_a_cancelled_task_cleans_up_is_not_cancelled() -> None:
    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await with_timeout(5, asyncio.sleep(0))
            with pytest.raises(UnexpectedCancellation):
                await with_timeout(5, cancelled_by_its_owner())
            cleaned.set()

    cleaned = asyncio.Event()
    await assert_cancelled(cleans_up())
    assert cleaned.is_set()


async def test_a_timeout_that_is_swallowed_is_one_all_the_same() -> None:
    with pytest.raises(TimeoutError):
        await with_timeout(0.01, swallows(None))


async def test_a_timeout_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        await with_timeout(0.01, asyncio.Event().wait())


CLIENTS = {
    "administrator": lambda topic, **options: AIOKafkaAdminClient(**options),
    "producer": lambda topic, **options: AIOKafkaProducer(enable_idempotence=True, **options),
    "consumer": lambda topic, **options: AIOKafkaConsumer(topic, group_id=None, **options),
    "member": lambda topic, **options: AIOKafkaConsumer(topic, group_id=topic, **options),
}


@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "too long"])
@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_client_whose_stop_is_cut_off_leaves_no_connection_and_no_task(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, kind: str, is_cancelled: bool
) -> None:
    before = asyncio.all_tasks()
    client = CLIENTS[kind](stand.prefix + topics.APPLICATIONS.name, bootstrap_servers=stand.bootstrap)
    await client.start()
    await internals.client_of(client).fetch_all_metadata()
    transports = internals.transports_of(internals.client_of(client))
    assert transports
    with monkeypatch.context() as slow:
        slow.setattr(client, "close" if kind == "administrator" else "stop", lambda: asyncio.Event().wait())
        slow.setattr(clients, "STOP_SECONDS", clients.STOP_SECONDS if is_cancelled else 0.01)
        await (assert_cancelled(clients.stop(client)) if is_cancelled else clients.stop(client))

    async def nothing_left() -> bool:
        return asyncio.all_tasks() <= before

    await eventually(nothing_left)
    assert all(each.is_closing() for each in transports)
    await clients.stop(client)


async def fetching_in_vain(stand: Stand, parts: Parts) -> AIOKafkaConsumer:
    """A consumer whose broker has died, in the pause before it fetches again."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stand.bootstrap, group_id=None, retry_backoff_ms=8_000)
    await consumer.start()
    consumer.assign([TopicPartition(stand.prefix + topics.APPLICATIONS.name, 0)])
    await consumer.seek_to_beginning()

    async def fetches() -> bool:
        return any("_proc_fetch_request" in repr(task) for task in consumer._fetcher._pending_tasks)

    await eventually(fetches)
    assert parts.kafka is not None
    await asyncio.to_thread(parts.kafka.kill)

    async def pausing() -> bool:
        return any("sleep" in repr(task.get_coro().cr_await) for task in consumer._fetcher._pending_tasks)

    await eventually(pausing)
    return consumer


@pytest.mark.long
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


async def test_a_consumer_that_nobody_fetches_for_any_more_is_seen(stand: Stand) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=stand.bootstrap, group_id=None)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(stand.prefix + topics.APPLICATIONS.name, 0)])
        assert not internals.is_broken(consumer)
        consumer._fetcher._fetch_task.cancel()

        async def is_broken() -> bool:
            return internals.is_broken(consumer)

        await eventually(is_broken)
    finally:
        await clients.stop(consumer)


class Connected:
    """A client with a connection that it closes as aiokafka does, which waits until it is gone."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._client = SimpleNamespace(_conns={"node": SimpleNamespace(_writer=writer)})
        self._writer = writer

    async def stop(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def test_a_tls_connection_to_who_does_not_say_goodbye_is_closed_soon(tmp_path: Path, caplog) -> None:
    ca = TrialCa()
    identity = ca.issue("broker", ["127.0.0.1"])
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    certificate.write_text(identity.certificate)
    key.write_text(identity.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def is_busy(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        writer.write(b"busy")

    async with talking(is_busy, context) as port:
        trusting = ssl.create_default_context(cadata=ca.certificate)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        assert await reader.readexactly(4) == b"busy"
        with caplog.at_level("INFO"):
            await clients.stop(Connected(writer))
        assert "did not stop cleanly" not in caplog.text


async def test_a_part_that_failed_leaves_its_owner_no_request_to_end() -> None:
    """As after an outage of Kafka: the relay fails, and its producer's stop takes too long."""

    async def forever() -> None:
        await asyncio.Event().wait()

    async def soon() -> None:
        await asyncio.sleep(0.01)
        raise ConnectionError

    with pytest.raises(ExceptionGroup) as failed:
        await run_together(forever(), soon())
    assert [type(error) for error in failed.value.exceptions] == [ConnectionError]
    with pytest.raises(TimeoutError):
        await with_timeout(0.01, forever())


async def test_parts_end_with_their_owner() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def part() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    owner = asyncio.create_task(run_together(part()))
    await began.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert ended.is_set()

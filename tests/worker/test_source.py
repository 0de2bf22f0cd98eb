"""The source, when a client or FastStream fails in a way that no broker can be made to cause."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnsupportedCodecError
from asyncpg import CannotConnectNowError, InternalClientError
from faststream import BaseMiddleware
from servicecert_cli.admin import groups
from servicecert_cli.connections import kafka
from servicecert_schemas import topics
from servicecert_worker.core.faults import Outage
from servicecert_worker.core.record import Record
from servicecert_worker.kafka import broker as brokers
from servicecert_worker.kafka import source as sources
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.source import Source
from toy import service as toy
from toy.app import subscribe
from toy.stand import Stand, eventually, numbered

PARTITION = TopicPartition("applications", 0)


class Consumer:
    """A consumer whose commits end with `ends`, one after the other."""

    def __init__(self, ends: list[BaseException | None]) -> None:
        self._ends = ends
        self.committed: asyncio.Queue[int] = asyncio.Queue()

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self._ends and (end := self._ends.pop(0)) is not None:
            raise end
        self.committed.put_nowait(offsets[PARTITION])


def reading(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source that reads by this consumer, and whose record 6 is handled."""
    monkeypatch.setattr(sources, "_LOOK_SECONDS", 0)
    broker = Broker(Cluster("nowhere:1"), "toy")
    source = Source(broker, [PARTITION.topic], "toy")
    subscribe(broker, source)
    source._subscriber.consumer = consumer
    source._handled[PARTITION] = 7
    return source


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), ConnectionResetError()], ids=["cancelled", "reset"])
async def test_offsets_are_committed_after_a_commit_that_the_client_gave_up(fault, monkeypatch) -> None:
    consumer = Consumer([fault])
    watching = asyncio.create_task(reading(consumer, monkeypatch).watch())
    async with asyncio.timeout(120):
        assert await consumer.committed.get() == 7
    watching.cancel()
    await asyncio.wait([watching])


async def test_a_commit_that_fails_by_a_defect_ends_the_reading(monkeypatch) -> None:
    async with asyncio.timeout(120):
        with pytest.raises(ZeroDivisionError):
            await reading(Consumer([ZeroDivisionError()]), monkeypatch).watch()


@pytest.mark.parametrize(
    "fault",
    [ConnectionRefusedError(), InternalClientError("the protocol is failed"), CannotConnectNowError("starts")],
    ids=["refused", "cut", "starts"],
)
async def test_offsets_wait_as_long_as_nobody_says_what_the_journal_has(fault, monkeypatch) -> None:
    asked = asyncio.Event()

    async def away() -> Any:
        asked.set()
        raise fault

    consumer = Consumer([])
    source = reading(consumer, monkeypatch)
    source.bind(lambda: None, lambda: 0, None, away)
    watching = asyncio.create_task(source.watch())
    async with asyncio.timeout(120):
        for _ in range(3):
            asked.clear()
            await asked.wait()
    assert consumer.committed.empty()
    watching.cancel()
    await asyncio.wait([watching])


async def test_of_how_many_keys_something_waits_is_known_as_long_as_offsets_wait_for_that(monkeypatch) -> None:
    answers = [(1, 9, 700), (5, 20, 800), (10, 20, 30), None]

    async def unsent() -> Any:
        return answers.pop(0)

    consumer = Consumer([])
    source = reading(consumer, monkeypatch)
    source.bind(lambda: None, lambda: 0, None, unsent)
    found = []
    while answers:
        found.append((await source.commit(), source.unsent))
        if len(found) == 3:
            source._handled[PARTITION] += 1
    assert found == [(False, 700), (False, 800), (True, 30), (True, 0)]
    source.unsent = 5
    assert await source.commit()
    assert source.unsent == 0


@pytest.mark.parametrize("handles_again", [False, True])
async def test_I1_of_what_was_forgotten_no_offset_is_committed(handles_again: bool, monkeypatch) -> None:
    """The database that says what the journal has may be another one than that which handled the record."""

    async def unsent() -> Any:
        source.forget()
        if handles_again:
            source._handled[PARTITION] = 6
        return None

    consumer = Consumer([])
    source = reading(consumer, monkeypatch)
    source.bind(lambda: None, lambda: 0, None, unsent)
    assert not await source.commit()
    assert consumer.committed.empty()
    record = Record(PARTITION.topic, 0, 7, None, (), None, datetime.now(UTC))
    await source.receive([record])
    assert len(source) == 0, "it comes again, behind those that were forgotten"


async def test_I1_what_is_in_a_turn_when_it_is_forgotten_does_not_count(monkeypatch) -> None:
    source = reading(Consumer([]), monkeypatch)
    source.bind(lambda: None, lambda: 2)
    await source.receive([Record(PARTITION.topic, 0, 7, None, (), None, datetime.now(UTC))])
    taken = source.take(1)
    source.forget()
    source.handled(taken)
    assert not source._handled


async def test_partitions_are_given_up_also_where_the_database_does_not_answer(monkeypatch) -> None:
    monkeypatch.setattr(sources, "_ANSWER_SECONDS", 0.01)
    consumer = Consumer([])
    source = reading(consumer, monkeypatch)
    source.bind(lambda: None, lambda: 0, None, asyncio.Event().wait)
    async with asyncio.timeout(120):
        await source.on_partitions_revoked([PARTITION])
    assert consumer.committed.empty()


@pytest.mark.parametrize("way", [Source.finish, lambda source: source.on_partitions_revoked([PARTITION])])
async def test_who_ends_or_gives_up_its_partitions_waits_a_moment_for_the_journal(way, monkeypatch) -> None:
    """What is not committed then is read again."""
    consumer = Consumer([])
    source = reading(consumer, monkeypatch)
    answers: list[bool] = [False, False, True]

    async def journaled(offsets: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        return offsets if answers.pop(0) else {}

    monkeypatch.setattr(source, "_journaled", journaled)
    await way(source)
    assert await consumer.committed.get() == 7


async def committed(stand: Stand) -> int:
    async with kafka.admin(Cluster(stand.bootstrap, stand.prefix)) as admin:
        return sum((await groups.committed(admin, stand.prefix + toy.NAME)).values())


async def test_I1_no_offset_is_committed_before_the_journal_has_what_followed_from_its_record(stand: Stand) -> None:
    """A service without a leader sends nothing: its records are read again, should its database be lost."""
    async with stand.pool.acquire() as leader:
        await leader.execute("select pg_advisory_lock(lock_of('lead'))")
        worker = stand.work()
        await stand.send(numbered(uuid4(), "1", "2"))
        await stand.wait_until("select count(*) = 2 from inbox")
        assert worker.stop(60) == 0
        assert await committed(stand) == 0
        await leader.execute("select pg_advisory_unlock(lock_of('lead'))")
    worker = stand.work()
    await stand.wait_handled(2)

    async def is_committed() -> bool:
        return await committed(stand) == 2

    await eventually(is_committed)


class Reading:
    """A source of the stand's topic, its broker, and the records taken from it."""

    def __init__(self, stand: Stand, group: str, room: int = 1_000) -> None:
        self.broker = Broker(Cluster(stand.bootstrap, stand.prefix), "toy")
        self.source = Source(self.broker, [stand.prefix + topics.APPLICATIONS.name], stand.prefix + group)
        subscribe(self.broker, self.source)
        self.source.bind(lambda: None, lambda: room)
        self.taken: list[Record] = []

    def take(self) -> int:
        records = self.source.take(100)
        self.source.handled(records)
        self.taken += records
        return len({(record.partition, record.offset) for record in self.taken})

    async def __aenter__(self) -> Reading:
        self._watching = asyncio.create_task(self.source.watch())
        await self.broker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.source.finish()
        await self.broker.stop()
        self._watching.cancel()
        await asyncio.wait([self._watching])


async def test_I1_a_source_whose_consumer_stopped_fetching_opens_another(stand: Stand) -> None:
    async with Reading(stand, "given-up") as reading:

        async def assigned() -> bool:
            return reading.source.assigned() > 0

        await eventually(assigned)
        first = reading.source._subscriber.consumer
        first._fetcher._fetch_task.cancel()
        await stand.send(numbered(uuid4(), "1"))

        async def read() -> bool:
            return reading.take() == 1

        await eventually(read)
        assert reading.source._subscriber.consumer is not first


async def test_a_source_that_ends_while_it_opens_another_leaves_no_member_behind(stand: Stand, monkeypatch) -> None:
    async with Reading(stand, "left") as reading:
        subscriber, started, start = reading.source._subscriber, asyncio.Event(), reading.source._subscriber.start

        async def starts() -> None:
            await start()
            started.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(subscriber, "start", starts)
        opening = asyncio.create_task(reading.broker.reopen(subscriber, Outage("Kafka")))
        await started.wait()
        consumer = subscriber.consumer
        opening.cancel()
        await asyncio.wait([opening])
        assert consumer._closed


async def test_I1_a_source_whose_client_gets_no_answers_opens_another(stand: Stand, monkeypatch) -> None:
    """As after the death of brokers: the client keeps asking, and reports nothing."""
    monkeypatch.setattr(brokers, "_UNANSWERED_SECONDS", 1.0)

    async def waits(*_: object) -> bool:
        await asyncio.Event().wait()
        return False

    async with Reading(stand, "unanswered") as reading:

        async def assigned() -> bool:
            return reading.source.assigned() > 0

        await eventually(assigned)
        first = reading.source._subscriber.consumer
        monkeypatch.setattr(first._fetcher, "_proc_fetch_request", waits)
        await stand.send(numbered(uuid4(), "1"))

        async def read() -> bool:
            return reading.take() == 1

        await eventually(read)
        assert reading.source._subscriber.consumer is not first


async def test_a_source_that_is_answered_and_finds_nothing_stays_as_it_is(stand: Stand, monkeypatch) -> None:
    monkeypatch.setattr(brokers, "_UNANSWERED_SECONDS", 1.0)
    monkeypatch.setattr(sources, "_FETCH_WAIT_MS", 500)
    polls = 0
    getmany = AIOKafkaConsumer.getmany

    async def counted(consumer: AIOKafkaConsumer, **limits: Any) -> Any:
        nonlocal polls
        polls += 1
        return await getmany(consumer, **limits)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", counted)
    async with Reading(stand, "quiet") as reading:

        async def polled() -> bool:
            return polls > 12

        await eventually(polled)
        first = reading.source._subscriber.consumer
        polls = 0
        await eventually(polled)
        assert reading.source._subscriber.consumer is first


async def test_I1_I5_a_batch_that_does_not_reach_the_handler_is_read_again_in_order(stand: Stand, caplog) -> None:
    class Faulty(BaseMiddleware):
        count = 0

        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            Faulty.count += 1
            if Faulty.count in (2, 3):
                raise ValueError("This text may be personal and must not be seen.")
            return await call_next(msg)

    reading = Reading(stand, "faulty")
    reading.broker.add_middleware(Faulty)
    await stand.send([each for _ in range(7) for each in numbered(uuid4(), *map(str, range(150)))])
    async with reading:

        async def all_read() -> bool:
            return reading.take() == 7 * 150

        await eventually(all_read)
    assert Faulty.count > 3
    assert len(reading.taken) == 7 * 150
    for partition in {record.partition for record in reading.taken}:
        offsets = [record.offset for record in reading.taken if record.partition == partition]
        assert offsets == sorted(offsets)
    assert "personal" not in str([vars(record) for record in caplog.records])
    assert any("ValueError" in getattr(record, "error", "") for record in caplog.records)


async def test_a_source_without_room_takes_no_more_than_one_batch(stand: Stand) -> None:
    await stand.send([each for _ in range(9) for each in numbered(uuid4(), *map(str, range(150)))])
    async with Reading(stand, "full", room=1) as reading:

        async def has_records() -> bool:
            return len(reading.source) > 0

        await eventually(has_records)
        assert len(reading.source) <= 400

        async def all_read() -> bool:
            return reading.take() == 9 * 150

        await eventually(all_read)


async def test_I1_what_a_failing_fetch_has_passed_is_read_again(stand: Stand, monkeypatch) -> None:
    """As with an unknown compression: records of other partitions are fetched with it, and lost by the client."""
    await stand.send([each for _ in range(7) for each in numbered(uuid4(), *map(str, range(50)))])
    getmany = AIOKafkaConsumer.getmany
    passed: list[int] = []

    async def fails_once(consumer: AIOKafkaConsumer, **limits: Any) -> Any:
        batches = await getmany(consumer, **limits)
        if batches and not passed:
            passed.append(sum(map(len, batches.values())))
            raise UnsupportedCodecError
        return batches

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", fails_once)
    async with Reading(stand, "unreadable") as reading:

        async def all_read() -> bool:
            return reading.take() == 7 * 50

        await eventually(all_read)
    assert passed[0] > 0


async def test_I1_I5_nothing_is_passed_by_what_a_dying_consumer_still_hands_over(stand: Stand) -> None:
    await stand.send([each for _ in range(9) for each in numbered(uuid4(), *map(str, range(150)))])
    async with Reading(stand, "dying", room=1) as reading:

        async def has_records() -> bool:
            return len(reading.source) > 0

        await eventually(has_records)
        first = reading.source._subscriber.consumer
        first._fetcher._fetch_task.cancel()

        async def another() -> bool:
            return reading.source._subscriber.consumer not in (first, None)

        await eventually(another)

        async def all_read() -> bool:
            return reading.take() == 9 * 150

        await eventually(all_read)
        handled: dict[int, int] = {}
        for record in reading.taken:
            assert record.offset <= handled.get(record.partition, 0)
            handled[record.partition] = max(record.offset + 1, handled.get(record.partition, 0))

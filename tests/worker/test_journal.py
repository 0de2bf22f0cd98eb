"""What a service's tables hold reaches its journal before any event that follows from it, whoever dies and when."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from databases import administer
from servicecert_schemas import topics
from servicecert_worker.core.record import Record
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.fence import Fence
from servicecert_worker.kafka.journal import Group, Number
from servicecert_worker.observe.telemetry import Telemetry
from servicecert_worker.runtime.publishing import Relay, producer_of
from servicecert_worker.runtime.sent import Sent
from servicecert_worker.storage.journal import MOST_AT_ONCE
from toy import service as toy
from toy.journal import JOURNAL, assert_journaled, held, held_by, journal, looks, parts_of
from toy.stand import Stand, assert_exact, eventually, numbered

EVENTS = topics.CERTIFICATES.name


@dataclass
class Producer:
    """A producer that keeps what it is to send, and acknowledges a topic's records once that `may` be."""

    prefix: str
    sent: list[Record] = field(default_factory=list)
    may: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    async def send(self, topic: str, *, value: bytes, key: bytes, headers: list[tuple[str, bytes]], **_: Any) -> Any:
        record = Record(topic, 0, len(self.sent), key, headers, value, datetime.now(UTC))
        self.sent.append(record)
        return asyncio.create_task(self._acknowledge(record))

    async def _acknowledge(self, record: Record) -> RecordMetadata:
        await self.may[record.topic.removeprefix(self.prefix)].wait()
        return RecordMetadata(record.topic, 0, None, record.offset, 0, 0, 0)

    def to(self, topic: str) -> list[Record]:
        return [record for record in self.sent if record.topic == self.prefix + topic]

    def acknowledge(self, *topics: str) -> None:
        for topic in topics:
            self.may[topic].set()


@asynccontextmanager
async def relaying(stand: Stand, producer: Any) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Run a relay beside the test, without a worker. Yields its connection."""
    connection = await asyncpg.connect(stand.url, server_settings={"search_path": toy.NAME})
    cluster, signer = Cluster(stand.bootstrap, stand.prefix), stand.identities.signer(toy.NAME)
    relay = Relay(
        connection, producer, cluster, toy.NAME, signer, asyncio.Event(), Sent(stand.pool), Telemetry(), lambda: 0.01
    )
    running = asyncio.create_task(relay.run())
    try:
        yield connection
    finally:
        running.cancel()
        # A test may have cut its connection.
        with suppress(asyncio.CancelledError, asyncpg.InterfaceError):
            await running
        connection.terminate()


async def reached(condition: Callable[[], Any]) -> None:
    async def holds() -> bool:
        return bool(condition())

    await eventually(holds)


async def tallies(stand: Stand, first: int, last: int, body: str = "1") -> None:
    """Write a state for each number, as an operator's function does: outside of a turn."""
    await stand.pool.execute(
        "insert into tally (key, version, body) select n::text, 1, jsonb_build_object('numbers', $3::text) "
        "from generate_series($1::int, $2::int) as n on conflict (key) do update set body = excluded.body",
        first,
        last,
        body,
    )


async def publish(stand: Stand, count: int, octets: int = 10) -> None:
    await stand.pool.execute(
        "insert into events (topic, key, event_id, type, payload, at, signature) "
        "select $1, n::text, gen_random_uuid(), 't', convert_to(format('\"%s\"', repeat('ä', $3)), 'utf8'), now(), '' "
        "from generate_series(1, $2) as n",
        EVENTS,
        count,
        octets // 2,
    )


async def of_key(stand: Stand, name: str, key: str) -> list[Group]:
    """Return what each look has of a key, in order."""
    return [
        group for groups in looks(await journal(stand)) for group in groups if (group.name, group.key) == (name, key)
    ]


async def test_I4_the_journal_has_acknowledged_a_look_before_an_event_of_it_is_sent(stand: Stand) -> None:
    await tallies(stand, 1, 1)
    await publish(stand, 3)
    producer = Producer(stand.prefix)
    async with relaying(stand, producer):
        await reached(lambda: producer.sent)
        await publish(stand, 1)
        assert [record.topic for record in producer.sent] == [stand.prefix + JOURNAL]
        producer.acknowledge(JOURNAL, EVENTS)
        await stand.wait_until("select not exists (select from outbox)")
    first, *_ = looks(parts_of(stand, producer.to(JOURNAL)))
    assert sorted(group.name for group in first) == ["events", "events", "events", "key"]
    assert len(producer.to(EVENTS)) == 4


async def test_I1_what_the_broker_has_not_acknowledged_is_not_noted_as_sent(stand: Stand) -> None:
    await publish(stand, 3)
    producer = Producer(stand.prefix)
    async with relaying(stand, producer):
        await reached(lambda: producer.to(JOURNAL))
    producer.acknowledge(JOURNAL)
    async with relaying(stand, producer):
        await reached(lambda: producer.to(EVENTS))
    assert await stand.fetchval("select count(*) from outbox") == 3
    assert await stand.fetchval("select next_offset from journal") is None


async def test_I1_a_look_that_is_larger_than_a_record_comes_in_parts_of_which_one_is_the_last(stand: Stand) -> None:
    await tallies(stand, 1, 6, "ä" * 200_000)
    async with producing(stand) as producer, relaying(stand, producer):
        await assert_journaled(stand)
    parts = [part for part in await journal(stand) if part.number == (1, 1)]
    assert len(parts) > 1
    assert [part.place for part in parts] == list(range(len(parts)))
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len([change for part in parts for change in part.changes]) == 6


async def test_I1_a_look_of_more_than_is_read_at_once_is_one_snapshot(stand: Stand) -> None:
    await tallies(stand, 1, MOST_AT_ONCE + 500, "before")
    producer = Producer(stand.prefix)
    async with relaying(stand, producer):
        await reached(lambda: producer.sent)
        await tallies(stand, MOST_AT_ONCE, MOST_AT_ONCE + 501, "after")
        producer.acknowledge(JOURNAL)
        await stand.wait_until("select not exists (select from changes)")
    first, second = looks(parts_of(stand, producer.to(JOURNAL)))
    assert numbers_of(first) == {str(n): "before" for n in range(1, MOST_AT_ONCE + 501)}
    assert numbers_of(second) == {str(n): "after" for n in range(MOST_AT_ONCE, MOST_AT_ONCE + 502)}


def numbers_of(groups: list[Group]) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in groups:
        for row in group.rows["tally"] or ():
            found[group.key] = row["body"]["numbers"]
    return found


async def test_of_several_changes_of_a_row_the_journal_has_the_last_one(stand: Stand) -> None:
    for n in range(3):
        await administer(
            stand.pool,
            "insert into origins values ('a', $1) on conflict (name) do update set id = excluded.id",
            "x" * 400_000 + str(n),
        )
        await tallies(stand, 1, 1, str(n))
    async with producing(stand) as producer, relaying(stand, producer):
        await assert_journaled(stand)
    assert len(looks(await journal(stand))) == 1
    (*_, origin), (*_, state) = await of_key(stand, "origins", "a"), await of_key(stand, "key", "1")
    assert [row["id"][-1] for row in origin.rows["origins"] or ()] == ["2"]
    assert [row["body"]["numbers"] for row in state.rows["tally"] or ()] == ["2"]


async def test_what_is_deleted_is_nothing_in_the_journal(stand: Stand) -> None:
    await tallies(stand, 1, 2)
    await administer(stand.pool, "insert into origins values ('a', '1')")
    async with producing(stand) as producer, relaying(stand, producer):
        await assert_journaled(stand)
        await administer(stand.pool, "delete from tally where key = '1'; delete from origins")
        await assert_journaled(stand)
    kept, gone = await of_key(stand, "key", "1")
    assert kept.rows["tally"]
    assert set(gone.rows.values()) == {None}
    assert [group.rows["origins"] and 1 for group in await of_key(stand, "origins", "a")] == [1, None]


RELAYED = ("relay-read", "relay-journaled", "relay-acked", "relay-noted")


@pytest.mark.parametrize("count", [1, pytest.param(3, marks=pytest.mark.long)])
async def test_I1_I2_the_journal_comes_to_what_the_tables_hold_wherever_leaders_die(stand: Stand, count: int) -> None:
    cases = {uuid4(): ["1", "2", "3"] for _ in range(10)}
    await stand.send([event for case, numbers in cases.items() for event in numbered(case, *numbers)])
    for step in RELAYED:
        await stand.wait_dead(stand.work(SERVICECERT_DIE_AT=f"{step}:{count}", SERVICECERT_BATCH="4"), step)
    stand.work(SERVICECERT_BATCH="4")
    await assert_exact(stand, cases)
    await assert_journaled(stand)
    numbers = [part.number for part in await journal(stand)]
    assert numbers == sorted(numbers)
    assert len({epoch for epoch, _ in numbers}) >= len(RELAYED) - 1


async def test_F7_a_relay_that_was_cut_off_and_goes_on_counts_for_nothing(stand: Stand) -> None:
    """It was paused between a look and its journal, and its lock was lost; meanwhile another one has led."""
    paused = Paused(stand)
    await tallies(stand, 1, 1, "before")
    await publish(stand, 1)
    async with producing(stand) as producer, AsyncExitStack() as others:
        paused.real = producer
        connection = await others.enter_async_context(relaying(stand, paused))
        await paused.reached.wait()
        await stand.pool.execute("select pg_terminate_backend($1, 5000)", connection.get_server_pid())
        await tallies(stand, 1, 2, "after")
        async with relaying(stand, producer):
            await stand.wait_until("select not exists (select from changes)")
        paused.go_on.set()
        await paused.done.wait()
        whole = await journal(stand)
        assert [part.number for part in whole if part.number.epoch == 1][-1:] == [whole[-1].number] == [Number(1, 1)]
        assert held_by(whole) == await held(stand)
        # What it has sent is read by the fence of whoever leads next.
        fence = Fence(Cluster(stand.bootstrap, stand.prefix), toy.NAME, stand.identities.verifier(stand.prefix))
        await fence.require_known(stand.pool.fetch)
        await tallies(stand, 2, 3, "at last")
        async with relaying(stand, producer):
            await assert_journaled(stand)
    assert await stand.fetchval("select count(*) from changes") == 0


@dataclass
class Paused:
    """A producer that stands still before its first record."""

    stand: Stand
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    real: AIOKafkaProducer = field(init=False)

    async def send(self, topic: str, **record: Any) -> Any:
        self.reached.set()
        await self.go_on.wait()
        sent = await self.real.send(topic, **record)
        if topic != self.stand.prefix + JOURNAL:
            self.done.set()
        return sent


async def test_F5_a_backlog_of_an_outage_of_kafka_is_sent_in_little_memory(stand: Stand) -> None:
    """What hundreds of turns have published, some 40 MB, has waited for the broker."""
    for _ in range(20):
        await publish(stand, 400, 5_000)
    await stand.wait_until("select count(*) from outbox", 8_000)
    producer = Forgetful(stand.prefix)
    tracemalloc.start()
    try:
        async with relaying(stand, producer):
            await stand.wait_until("select not exists (select from outbox)")
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
    finally:
        tracemalloc.stop()
    assert (producer.events, producer.most) == (8_000, 500)


@dataclass
class Forgetful:
    """A producer that counts what it sends."""

    prefix: str
    events: int = 0
    most: int = 0
    _open: int = 0
    _offset: int = 0

    async def send(self, topic: str, **_: Any) -> Any:
        is_event = topic != self.prefix + JOURNAL
        self.events += is_event
        self._open += is_event
        self._offset += 1
        self.most = max(self.most, self._open)
        return asyncio.create_task(self._acknowledge(topic, self._offset, is_event=is_event))

    async def _acknowledge(self, topic: str, offset: int, *, is_event: bool) -> RecordMetadata:
        await asyncio.sleep(0)
        self._open -= is_event
        return RecordMetadata(topic, 0, None, offset, 0, 0, 0)


@asynccontextmanager
async def producing(stand: Stand) -> AsyncIterator[AIOKafkaProducer]:
    producer = producer_of(Cluster(stand.bootstrap, stand.prefix), toy.NAME)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()

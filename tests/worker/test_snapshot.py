"""Topic snapshots: complete before the first turn, and passed to the service at the topics' end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_schemas.event import Change
from servicecert_schemas.topics import REGISTERS
from servicecert_worker.core.decider import TopicSnapshot
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import Follower, SnapshotFollower
from toy.stand import eventually
from worker.raw_batches import Raw, batch, send

ENTRIES = list(read_register(FICTITIOUS_REGISTERS))


@pytest.fixture
async def cluster(parts):
    cluster = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-")
    await create_topics(cluster, (REGISTERS,))
    return cluster


class SnapshotHandler:
    """Keeps the snapshots that it gets, and fails at first."""

    def __init__(self, fault: Exception) -> None:
        self.fault: Exception | None = fault
        self.snapshots: list[frozenset[str]] = []
        self.event = asyncio.Event()

    async def __call__(self, snapshot: frozenset[str]) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.snapshots.append(snapshot)
        self.event.set()

    async def next(self) -> frozenset[str]:
        async with asyncio.timeout(120):
            await self.event.wait()
        self.event.clear()
        return self.snapshots[-1]


@asynccontextmanager
async def following(cluster: Cluster, handler: SnapshotHandler) -> AsyncIterator[asyncio.Task[object]]:
    definition = TopicSnapshot(
        topics=(REGISTERS,),
        empty=frozenset[str](),
        apply=lambda snapshot, changes: snapshot | {change.key for change in changes},
        on_caught_up=handler,
    )
    broker = Broker(cluster, "toy")
    snapshot = SnapshotFollower(definition, broker, Verifier({}))
    running = asyncio.create_task(snapshot.run())
    await broker.start()
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait([running])
        await broker.stop()


async def test_A11_a_service_gets_each_snapshot_at_the_topics_end_also_after_an_error(cluster):
    handler = SnapshotHandler(ConnectionError())
    await publish_entries(cluster, ENTRIES[:5])
    async with following(cluster, handler):
        assert await handler.next() == {entry.entry_id for entry in ENTRIES[:5]}
        await publish_entries(cluster, ENTRIES[5:])
        # With a slow broker an earlier snapshot may lack some of them.
        while (latest := await handler.next()) < {entry.entry_id for entry in ENTRIES}:
            pass
        assert latest == {entry.entry_id for entry in ENTRIES}
    # The same snapshot is not passed again at once.
    assert len(handler.snapshots) == len({*handler.snapshots})


async def test_a_defect_of_the_handler_ends_the_worker(cluster):
    async with following(cluster, SnapshotHandler(LookupError())) as running, asyncio.timeout(120):
        with pytest.raises(LookupError):
            await asyncio.shield(running)


class Recorder:
    """Records the keys from a follower, and how often it reached the end."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.reached = asyncio.Semaphore(0)

    def take(self, changes: Sequence[Change]) -> None:
        self.keys += [change.key for change in changes]

    async def at_the_end(self, _: datetime) -> None:
        self.reached.release()


async def test_a_reopened_follower_continues_where_it_was(cluster):
    recorder, broker = Recorder(), Broker(cluster, "toy")
    follower = Follower(broker, [REGISTERS], recorder.take, recorder.at_the_end, Verifier({}))
    await publish_entries(cluster, ENTRIES[:5])
    watching = asyncio.create_task(follower.watch())
    await broker.start()
    try:
        async with asyncio.timeout(60):
            await recorder.reached.acquire()
            first = follower._subscriber.consumer
            first._fetcher._fetch_task.cancel()
            while follower._subscriber.consumer in (first, None):
                await recorder.reached.acquire()
            await publish_entries(cluster, ENTRIES[5:])
            while len(recorder.keys) < len(ENTRIES):
                await recorder.reached.acquire()
        assert sorted(recorder.keys) == sorted(entry.entry_id for entry in ENTRIES)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await broker.stop()


async def test_f5_i6_a_follower_goes_on_behind_what_cannot_be_read(cluster, parts):
    """A batch that the broker takes and no client of ours would write, also a follower's after its start."""
    recorder, broker = Recorder(), Broker(cluster, "toy")
    follower = Follower(broker, [REGISTERS], recorder.take, recorder.at_the_end, Verifier({}))
    bytes_of_a_writer = [
        batch([Raw(b"k", b"v")] * 3, "gzip", tail=b"tail"),
        batch([Raw(b"k", bytes(1_000_000))], "zstd", repeat=50),
        batch([Raw(b"k", b"v", delta=100_000)] * 2),
    ]
    async with AIOKafkaProducer(bootstrap_servers=parts.bootstrap) as producer:
        for raw in bytes_of_a_writer:
            assert (await send(producer, cluster.name(REGISTERS), 0, raw))[0] == 0
    await publish_entries(cluster, ENTRIES)
    watching = asyncio.create_task(follower.watch())
    await broker.start()
    try:
        async with asyncio.timeout(60):
            while len(recorder.keys) < len(ENTRIES):
                await recorder.reached.acquire()

        async def all_skipped() -> bool:
            return follower.skipped == {("registers", "unreadable-batch"): 3}

        # Entries of other partitions may come before them.
        await eventually(all_skipped, lambda: f"{follower.skipped}, {follower.offsets}, {follower.positions.lost}")
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await broker.stop()


async def test_a_defect_at_a_record_ends_the_follower(cluster):
    def cannot(_: object) -> None:
        raise ZeroDivisionError

    broker = Broker(cluster, "toy")
    follower = Follower(broker, [REGISTERS], cannot, Recorder().at_the_end, Verifier({}))
    await publish_entries(cluster, ENTRIES[:1])
    await broker.start()
    try:
        async with asyncio.timeout(120):
            with pytest.raises(ZeroDivisionError):
                await follower.watch()
    finally:
        await broker.stop()

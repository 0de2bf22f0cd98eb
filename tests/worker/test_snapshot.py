"""Topics that are followed: the snapshot is there before the first turn, and the service is told once it has settled."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import uuid4

import pytest
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_schemas.topics import REGISTERS
from servicecert_worker.decider import Change, TopicSnapshot
from servicecert_worker.kafka import topic_creation
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import Follower
from servicecert_worker.runtime.snapshot import Snapshot

ENTRIES = list(read_register(FICTITIOUS_REGISTERS))


@pytest.fixture
async def cluster(parts):
    cluster = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-")
    await topic_creation.create(cluster.bootstrap, (REGISTERS,), cluster.prefix)
    return cluster


class UserError:
    """Keeps what it is told, and is unavailable at first."""

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
        async with asyncio.timeout(30):
            await self.event.wait()
        self.event.clear()
        return self.snapshots[-1]


@asynccontextmanager
async def following(cluster: Cluster, told: UserError) -> AsyncIterator[asyncio.Task[object]]:
    known = TopicSnapshot(
        topics=(REGISTERS,),
        empty=frozenset[str](),
        apply=lambda snapshot, changes: snapshot | {change.key for change in changes},
        settled=told,
    )
    broker = Broker(cluster, "toy")
    snapshot = Snapshot(known, broker, cluster)
    running = asyncio.create_task(snapshot.run())
    await broker.start()
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait([running])
        await broker.stop()


async def test_A11_a_service_is_told_of_each_snapshot_that_has_settled_also_after_a_fault(cluster):
    told = UserError(ConnectionError())
    await publish_entries(cluster, ENTRIES[:5])
    async with following(cluster, told):
        assert await told.next() == {entry.entry_id for entry in ENTRIES[:5]}
        await publish_entries(cluster, ENTRIES[5:])
        # A slow broker may let one settle that lacks some of them.
        while (settled := await told.next()) < {entry.entry_id for entry in ENTRIES}:
            pass
        assert settled == {entry.entry_id for entry in ENTRIES}
    # The same is not told again at once.
    assert len(told.snapshots) == len({*told.snapshots})


async def test_a_defect_of_who_is_told_ends_the_worker(cluster):
    async with following(cluster, UserError(LookupError())) as running, asyncio.timeout(30):
        with pytest.raises(LookupError):
            await asyncio.shield(running)


class Seen:
    """What a follower gave, and how often it was at the end."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.reached = asyncio.Semaphore(0)

    def take(self, changes: Sequence[Change]) -> None:
        self.keys += [change.key for change in changes]

    async def at_the_end(self, _: datetime) -> None:
        self.reached.release()


async def test_a_follower_that_is_opened_again_goes_on_where_it_was(cluster):
    seen, broker = Seen(), Broker(cluster, "toy")
    follower = Follower(broker, [cluster.name(REGISTERS)], seen.take, seen.at_the_end)
    await publish_entries(cluster, ENTRIES[:5])
    watching = asyncio.create_task(follower.watch())
    await broker.start()
    try:
        async with asyncio.timeout(60):
            await seen.reached.acquire()
            first = follower._subscriber.consumer
            first._fetcher._fetch_task.cancel()
            while follower._subscriber.consumer in (first, None):
                await seen.reached.acquire()
            await publish_entries(cluster, ENTRIES[5:])
            while len(seen.keys) < len(ENTRIES):
                await seen.reached.acquire()
        assert sorted(seen.keys) == sorted(entry.entry_id for entry in ENTRIES)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await broker.stop()


async def test_a_defect_at_a_record_ends_who_follows(cluster):
    def cannot(_: object) -> None:
        raise ZeroDivisionError

    broker = Broker(cluster, "toy")
    follower = Follower(broker, [cluster.name(REGISTERS)], cannot, Seen().at_the_end)
    await publish_entries(cluster, ENTRIES[:1])
    await broker.start()
    try:
        async with asyncio.timeout(30):
            with pytest.raises(ZeroDivisionError):
                await follower.watch()
    finally:
        await broker.stop()

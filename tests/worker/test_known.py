"""Topics that are followed: the snapshot is there before the first turn, and the service is told once it has settled."""

import asyncio
from uuid import uuid4

import pytest
from servicecert_cli.connections.addresses import Cluster
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_schemas.topics import REGISTERS
from servicecert_worker.decider import Known
from servicecert_worker.kafka import clients, topic_creation
from servicecert_worker.kafka import follower as known_topics
from servicecert_worker.kafka.follower import Follower

ENTRIES = list(read_register(FICTITIOUS_REGISTERS))


@pytest.fixture
async def cluster(parts):
    cluster = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-")
    await topic_creation.create(cluster.bootstrap, (REGISTERS,), cluster.prefix)
    return cluster


class Told:
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


def follower(cluster: Cluster, told: Told) -> Follower[frozenset[str]]:
    known = Known(
        topics=(REGISTERS,),
        empty=frozenset[str](),
        apply=lambda snapshot, changes: snapshot | {change.key for change in changes},
        settled=told,
    )
    return Follower(known, cluster.bootstrap, cluster.prefix)


class Hanging:
    """A consumer of a broker that is away, which does not come to an end."""

    def __init__(self, tries: asyncio.Semaphore) -> None:
        self.tries = tries

    async def start(self) -> None:
        self.tries.release()
        raise ConnectionRefusedError

    async def stop(self) -> None:
        await asyncio.Event().wait()


async def test_a_consumer_that_does_not_end_ends_no_following(monkeypatch):
    tries = asyncio.Semaphore(0)
    monkeypatch.setattr(clients, "STOP_SECONDS", 0.01)
    monkeypatch.setattr(known_topics, "AIOKafkaConsumer", lambda **_: Hanging(tries))
    following = asyncio.create_task(follower(Cluster("nowhere:1", ""), Told(ConnectionError())).run())
    async with asyncio.timeout(30):
        for _ in range(3):
            await tries.acquire()
    assert not following.done()
    following.cancel()


async def test_A11_a_service_is_told_of_each_snapshot_that_has_settled_also_after_a_fault(cluster):
    told = Told(ConnectionError())
    await publish_entries(cluster, ENTRIES[:5])
    following = asyncio.create_task(follower(cluster, told).run())
    try:
        assert await told.next() == {entry.entry_id for entry in ENTRIES[:5]}
        await publish_entries(cluster, ENTRIES[5:])
        # A slow broker may let one settle that lacks some of them.
        while (settled := await told.next()) < {entry.entry_id for entry in ENTRIES}:
            pass
        assert settled == {entry.entry_id for entry in ENTRIES}
    finally:
        following.cancel()
    # The same is not told again at once.
    assert len(told.snapshots) == len({*told.snapshots})


async def test_a_defect_of_who_is_told_ends_the_worker(cluster):
    with pytest.raises(LookupError):
        async with asyncio.timeout(30):
            await follower(cluster, Told(LookupError())).run()

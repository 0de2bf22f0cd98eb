"""A test stand for the toy service: topics and a schema of its own, worker processes, and assertions on the result."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from examples import encode
from identities import Identities
from servicecert_cli.admin.topics import create as create_topics
from servicecert_launcher import Child, Parts
from servicecert_schemas import topics
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.codec import decode
from servicecert_schemas.event import Actor, Assurance, Envelope, EventData, Role
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_worker.audit.checkpoints import Signed
from servicecert_worker.audit.verification import Verified, verify
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database

from toy import service as toy

ACTOR = Actor(user_id="user-1", account_id="account-1", assurance=Assurance.HIGH, role=Role.COLLEAGUE)
PATIENCE_SECONDS = 120.0
PARTITIONS = 4
BY_US = ("-m", "toy")
BY_FASTSTREAM = ("-m", "faststream", "run", "--factory", "toy.app:app")
DIVIDED = {
    topic.name: replace(topic, partitions=PARTITIONS)
    for topic in (*toy.READS, topics.CERTIFICATES, topics.CERTIFICATE_INTENTS)
}
TOPICS = [
    *DIVIDED.values(),
    topics.AUDIT_CHECKPOINTS,
    topics.parked_topic(toy.NAME),
    topics.journal_topic(toy.NAME),
]


def numbered(case_id: UUID, *texts: str) -> list[tuple[UUID, EventData]]:
    """Return an event of the case for each text, each with an id of its own."""
    return [(uuid4(), ApplicationWithdrawn(case_id=case_id, actor=ACTOR, reason=text)) for text in texts]


_LEFT = "select format('%s handled', (select count(*) from inbox)) || " + " || ".join(
    f"format(', %s in {table}', (select count(*) from {table}))"
    for table in ("outbox", "intents", "deadlines", "parked")
)


class Stand:
    """The environment of a runtime test."""

    def __init__(self, parts: Parts, url: str, folder: Path) -> None:
        self.parts = parts
        self.bootstrap = parts.bootstrap
        self.prefix = f"t{uuid4().hex[:8]}-"
        self.folder = folder
        self.acts = folder / "acts"
        self.acts.touch()
        self.identities = Identities(folder / "service-keys", [toy.NAME])
        self.workers: list[Child] = []
        self.url = url
        self.pool: asyncpg.Pool[Any]
        self.producer: AIOKafkaProducer

    async def open(self, *, replication: int = 1, min_in_sync: int = 1) -> None:
        await create_topics(Cluster(self.bootstrap, self.prefix), TOPICS, replication, min_in_sync)
        self.pool = await database.open_pool(self.url, toy.NAME)
        self.producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True)
        await self.producer.start()

    async def close(self) -> None:
        await self.producer.stop()
        self.pool.terminate()
        for worker in self.workers:
            worker.kill()

    def work(self, command: Sequence[str] = BY_US, **environment: str) -> Child:
        """Start a toy worker, by one of the two commands that run a service."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Child(
            [Path(sys.executable), *command],
            log=log,
            environment={
                **os.environ,
                "PYTHONPATH": str(Path(toy.__file__).parents[1]),
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
                "DATABASE_URL": self.url,
                "SERVICECERT_TOPIC_PREFIX": self.prefix,
                "SERVICECERT_SESSION_SECONDS": "1",
                "SERVICECERT_HEALTH_FILE": str(self.health_file(len(self.workers))),
                **self.identities.environment(toy.NAME),
                "SERVICECERT_AUDIT_SECONDS": "0.3",
                "TOY_ACTS": str(self.acts),
                **environment,
            },
        )
        self.workers.append(worker)
        return worker

    def health_file(self, number: int) -> Path:
        return self.folder / f"worker-{number}.health"

    async def send(self, events: Iterable[tuple[UUID, EventData]], topic: str = topics.APPLICATIONS.name) -> None:
        """Publish events under these ids, in order."""
        sent = []
        for event_id, data in events:
            headers, value = encode(
                Envelope(event_id, "/test", data.TYPE, data.key(), datetime.now(UTC), data.key()), data
            )
            sent.append(
                await self.producer.send(self.prefix + topic, value=value, key=data.key().encode(), headers=headers)
            )
        await asyncio.gather(*sent)

    async def send_raw(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> tuple[int, int]:
        """Publish a record as it is; return its partition and offset."""
        sent = await self.producer.send_and_wait(
            self.prefix + topics.APPLICATIONS.name, value=value, key=key, headers=list(headers)
        )
        return sent.partition, sent.offset

    async def published(self, topic: str = topics.CERTIFICATES.name) -> list[tuple[UUID, EventData]]:
        """Return all events of a topic, in order within each key; copies of an event once."""
        events: dict[UUID, EventData] = {}
        for record in await self.records(topic):
            envelope, data = decode(topic, record.key, record.headers, record.value)
            assert events.setdefault(envelope.id, data) == data, "two events under one id"
        return list(events.items())

    async def records(self, topic: str) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(self.prefix + topic, n) for n in range(PARTITIONS if topic in DIVIDED else 1)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[Any] = []
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
            return sorted(records, key=lambda record: record.written)
        finally:
            await consumer.stop()

    async def codes(self) -> dict[UUID, list[str]]:
        """Return the codes of each case on `certificates`, in order."""
        codes: dict[UUID, list[str]] = defaultdict(list)
        for _, data in await self.published():
            codes[data.case_id].append(data.code)
        return codes

    async def verified(self) -> Verified:
        """Verify the audit chains against the checkpoints in the topic."""

        async def exported() -> list[Signed]:
            events = [event for _, event in await self.published(topics.AUDIT_CHECKPOINTS.name)]
            return [Signed.of(event) for event in events if isinstance(event, AuditCheckpoint)]

        before = await exported()
        async with self.pool.acquire() as connection:
            return await verify(connection, toy.NAME, read_public_keys(self.identities.folder), before, later=exported)

    async def fetchval(self, query: str) -> Any:
        return await self.pool.fetchval(query)

    async def wait_until(self, query: str, expected: Any = True) -> None:
        """Wait until a query returns the expected value."""
        left = "unknown"

        async def holds() -> bool:
            nonlocal left
            if await self._is(query, expected):
                return True
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                left = await self.fetchval(_LEFT)
            return False

        await eventually(holds, lambda: "\n".join((left, *(worker.tail(20) for worker in self.workers))))

    async def _is(self, query: str, expected: Any) -> bool:
        try:
            return bool(await self.fetchval(query) == expected)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    async def wait_dead(self, worker: Child, why: str) -> None:
        """Wait until a worker has died."""

        async def dead() -> bool:
            return not worker.alive

        await eventually(dead, lambda: f"the worker did not die at {why}\n{worker.tail(20)}")

    async def rewind(self) -> None:
        """Reset the toy's consumer group to the first records. The group must be empty."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=self.prefix + toy.NAME, enable_auto_commit=False
        )
        await consumer.start()
        partitions = [TopicPartition(self.prefix + topics.APPLICATIONS.name, n) for n in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
        await consumer.stop()

    async def wait_handled(self, events: int) -> None:
        """Wait until that many events are handled and nothing is left to do."""
        await self.wait_until(
            f"select (select count(*) from inbox) = {events} and not exists (select from outbox) "
            "and not exists (select from intents) and not exists (select from deadlines)"
        )


async def eventually(condition: Callable[[], Any], otherwise: Callable[[], str] = str) -> None:
    """Wait until a condition holds, or fail after two minutes with the text of `otherwise`."""
    limit = asyncio.timeout(PATIENCE_SECONDS)
    try:
        async with limit:
            while not await condition():  # noqa: ASYNC110  -- the condition is the broker's or the database's
                await asyncio.sleep(0.05)
    except TimeoutError:
        if limit.expired():
            pytest.fail(f"waited {PATIENCE_SECONDS} s in vain\n{otherwise()}")
        raise


async def assert_cancelled(act: Coroutine[Any, Any, Any]) -> None:
    """Cancel an act once it has begun, and assert that it ends cancelled."""
    task = asyncio.create_task(act)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def assert_exact(stand: Stand, cases: dict[UUID, list[str]]) -> None:
    """Assert that each number was published and acted on once, in order, and that nothing is parked or left."""
    await stand.wait_handled(sum(map(len, cases.values())))
    codes = await stand.codes()
    for case, numbers in cases.items():
        assert [code[1:] for code in codes[case] if code.startswith("n")] == numbers
        assert Counter(code for code in codes[case] if code.startswith("acted")) == Counter(
            f"acted-{number}" for number in numbers
        )
    assert await stand.fetchval("select count(*) from parked") == 0
    acts = {tuple(line.split()) for line in stand.acts.read_text().splitlines()}
    assert acts == {(str(case), number) for case, numbers in cases.items() for number in numbers}
    await assert_audited(stand, cases)


async def assert_audited(stand: Stand, cases: dict[UUID, list[str]]) -> None:
    """Assert that the audit chains verify, and hold each number's event and result once (B6)."""
    verified = await stand.verified()
    assert not verified.findings
    rows = await stand.pool.fetch("select key, entry from audit where key <> ''")
    audited = Counter(
        (row["key"], event["facts"]["code"])
        for row in rows
        for event in json.loads(row["entry"]).get("events", ())
        if "code" in event["facts"]
    )
    assert audited == Counter(
        (str(case), f"{what}{number}")
        for case, numbers in cases.items()
        for number in numbers
        for what in ("n", "acted-")
    )

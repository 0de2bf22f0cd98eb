"""I4: an act that is announced is not done before all copies in sync have its announcement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from servicecert_launcher.ports import free_port
from servicecert_schemas import topics
from servicecert_schemas.certificate import CertificateIntended
from servicecert_schemas.codec import decode
from servicecert_worker.core.decider import Done, Effect, Outcome, Retry, Task
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.announcer import Announcer
from servicecert_worker.runtime.effects import Effects
from toy import service as toy
from toy.stand import Stand, assert_exact, numbered

INTENTS = topics.CERTIFICATE_INTENTS.name
NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


class Acts:
    """A worker's effects, without turns."""

    def __init__(self, pool: asyncpg.Pool[Any], announcer: Announcer) -> None:
        self.announcer = announcer
        self.done: list[Task] = []
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self.asked: list[UUID] = []
        effect = Effect(toy.Act, self._act, announce=self._announce)
        self.effects = Effects(
            pool._connect_args[0], "toy", {"act": effect}, lambda *_: None, lambda: None, self._acted, announcer
        )

    async def _announce(self, tasks: Sequence[Task]) -> Sequence[CertificateIntended | None]:
        self.asked += [task.id for task in tasks]
        return [None if task.data.number == "nothing" else toy.announcement(task) for task in tasks]

    async def _act(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        self.done += tasks
        return [Retry("once more", timedelta()) if task.tries == 0 else Done(task.data) for task in tasks]

    def _acted(self, _kind: str, _tasks: Sequence[Task], outcomes: Sequence[Outcome], _began: int) -> None:
        for outcome in outcomes:
            self.outcomes.put_nowait(outcome)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        run = asyncio.create_task(self.effects.run())
        async with asyncio.timeout(120):
            while not self.effects.owner:  # noqa: ASYNC110  -- the owner is drawn within a second
                await asyncio.sleep(0.01)
        try:
            yield
        finally:
            run.cancel()
            await asyncio.wait([run])
            await self.announcer.close()

    def submit(self, number: str = "1") -> Task:
        case = str(uuid4())
        task = Task(uuid4(), case, "act", toy.Act(case_id=case, number=number), NOW)
        self.effects.submit([task], self.effects.owner)
        return task

    async def outcome(self) -> Outcome:
        async with asyncio.timeout(120):
            return await self.outcomes.get()


def announcer(stand: Stand, bootstrap: str) -> Announcer:
    return Announcer(Cluster(bootstrap, stand.prefix), toy.NAME, stand.identities.signer(toy.NAME))


async def announced(stand: Stand) -> list[UUID]:
    """Return the ids of the records of announcements, copies too."""
    records = await stand.records(INTENTS)
    return [decode(INTENTS, each.key, each.headers, each.value)[0].id for each in records]


async def test_I4_nothing_is_done_while_the_broker_does_not_acknowledge(stand: Stand) -> None:
    acts = Acts(stand.pool, announcer(stand, f"127.0.0.1:{free_port()}"))
    async with acts.running():
        acts.submit()
        for _ in range(2):
            assert await acts.outcome() == Retry("Kafka has not acknowledged its announcement")
    assert len(acts.asked) == 2
    assert acts.done == []


async def test_I4_an_act_is_announced_once_in_a_process_and_the_same_by_the_next_one(stand: Stand) -> None:
    first, second = (Acts(stand.pool, announcer(stand, stand.bootstrap)) for _ in range(2))
    async with first.running():
        task = first.submit()
        assert [await first.outcome(), await first.outcome()] == [Retry("once more", timedelta()), Done(task.data)]
    assert first.asked == [task.id]
    (record,) = await stand.records(INTENTS)
    envelope, data = decode(INTENTS, record.key, record.headers, record.value)
    assert (envelope.source, envelope.time, data) == ("/toy", NOW, toy.announcement(task))
    verifier = stand.identities.verifier(stand.prefix)
    assert verifier.is_from(toy.NAME, record.topic, record.key, record.headers, record.value)
    async with second.running():
        second.effects.submit([task], second.effects.owner)
        await second.outcome()
    again = (await stand.records(INTENTS))[-1]
    assert (again.value, again.headers, again.written) == (record.value, record.headers, record.written)
    assert len(await announced(stand)) == 2


async def test_where_nothing_will_be_done_nothing_is_announced(stand: Stand) -> None:
    acts = Acts(stand.pool, announcer(stand, f"127.0.0.1:{free_port()}"))
    async with acts.running():
        acts.submit("nothing")
        await acts.outcome()
    assert len(acts.done) == 1


async def test_I4_a_worker_that_dies_before_the_act_has_announced_it(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work(SERVICECERT_DIE_AT="announced:1")
    await stand.send(numbered(case, "1"))
    await stand.wait_dead(worker, "announced")
    assert len(await announced(stand)) == 1
    assert stand.acts.read_text() == ""
    stand.work()
    await assert_exact(stand, {case: ["1"]})
    assert len(set(await announced(stand))) == 1


async def test_what_is_announced_is_noted_as_written(stand: Stand) -> None:
    stand.work()
    await stand.send(numbered(uuid4(), "1", "2"))
    await stand.wait_until(f"select sum(next_offset) >= 2 from written where topic = '{INTENTS}'")

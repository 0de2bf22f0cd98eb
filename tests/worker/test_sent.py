"""I4: an act that waits for the events of its decision is done once the topics have all that was committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from servicecert_cli.connections import kafka
from servicecert_schemas import topics
from servicecert_worker.core.decider import Done, Effect, Outcome, Retry, Task
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.effects import NOBODY, Effects
from servicecert_worker.runtime.sent import Sent
from servicecert_worker.storage.database import KnownDatabase, open_pool
from toy import service as toy
from toy.proxy import proxy
from toy.stand import Stand, assert_cancelled, assert_exact, eventually, numbered

INTENTS = topics.CERTIFICATE_INTENTS.name
HOUR = 3600


@pytest.fixture
async def pool(service_pool: Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]) -> asyncpg.Pool[Any]:
    return await service_pool("toy", toy.MIGRATIONS)


async def changed(pool: asyncpg.Pool[Any], seconds: int = 0) -> UUID:
    """Note a change in a transaction that began so many seconds ago by the clock, and return its id."""
    statement = "insert into changes (name, keys, at) values ('key', '{1}', now() - $1 * interval '1 s') returning id"
    id: UUID = await pool.fetchval(statement, seconds)
    return id


async def noted(pool: asyncpg.Pool[Any]) -> None:
    """Note that all is sent, as another worker's relay does."""
    await pool.execute("delete from changes")


class Asked(Sent):
    """It counts how often the database was asked."""

    count = 0

    async def unsent(self) -> tuple[int, int, int] | None:
        places = await super().unsent()
        self.count += 1
        return places

    async def asked(self) -> None:
        """Return when the database was asked twice more: what would end a wait has ended it."""
        until = self.count + 2
        async with asyncio.timeout(120):
            while self.count < until:  # noqa: ASYNC110  -- the pauses are the wait's own
                await asyncio.sleep(0.01)


@asynccontextmanager
async def waiting(sent: Sent) -> AsyncIterator[asyncio.Task[None]]:
    """Yield a wait for all that is committed by now, and require that it ends."""
    task = asyncio.create_task(sent.wait(monotonic()))
    yield task
    async with asyncio.timeout(120):
        await task


async def test_I4_a_look_that_began_before_the_commit_does_not_count(pool: asyncpg.Pool[Any]) -> None:
    sent, before = Asked(pool), monotonic()
    await changed(pool)
    async with waiting(sent) as wait:
        await sent.asked()
        sent.up_to(before)
        await sent.asked()
        assert not wait.done()
        sent.up_to(monotonic())
    count = sent.count
    await sent.wait(before)
    assert sent.count == count, "the database is not asked for what this process knows"


@pytest.mark.parametrize("seconds", [HOUR, 0, -HOUR])
async def test_I4_F6_the_relay_of_another_worker_has_sent_what_it_has_noted_whatever_the_clock_says(
    pool: asyncpg.Pool[Any], seconds: int
) -> None:
    sent, own = Asked(pool), await changed(pool, seconds)
    async with waiting(sent) as wait:
        await sent.asked()
        later = await changed(pool, HOUR)
        await sent.asked()
        assert not wait.done()
        await pool.execute("delete from changes where id = $1", own)
    assert await pool.fetchval("select id from changes") == later


async def test_I4_a_relay_that_is_no_longer_in_this_process_is_not_waited_for(pool: asyncpg.Pool[Any]) -> None:
    sent = Asked(pool)
    sent.up_to(monotonic())
    await changed(pool)
    async with waiting(sent) as wait:
        await sent.asked()
        assert not wait.done()
        await noted(pool)


async def test_a_wait_that_is_cancelled_ends(pool: asyncpg.Pool[Any]) -> None:
    await changed(pool)
    await assert_cancelled(Sent(pool).wait(monotonic()))


class Acts:
    """A worker's effects, without turns."""

    def __init__(self, pool: asyncpg.Pool[Any], url: str) -> None:
        self.sent, self.known = Asked(pool), KnownDatabase()
        self.done: list[UUID] = []
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self.effects = Effects(
            url,
            self.known,
            "toy",
            {"act": Effect(toy.Act, self._act, after_events=True)},
            lambda *_: None,
            lambda: None,
            self._acted,
            self.sent.wait,
        )

    async def _act(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        self.done += [task.id for task in tasks]
        return [Done(task.data) for task in tasks]

    def _acted(self, _kind: str, _tasks: Sequence[Task], outcomes: Sequence[Outcome], _began: int) -> None:
        for outcome in outcomes:
            self.outcomes.put_nowait(outcome)

    async def outcome(self) -> Outcome:
        async with asyncio.timeout(120):
            return await self.outcomes.get()


@asynccontextmanager
async def acting(pool: asyncpg.Pool[Any], url: str) -> AsyncIterator[Acts]:
    acts = Acts(pool, url)
    running = asyncio.create_task(acts.effects.run())
    try:
        async with asyncio.timeout(120):
            while acts.effects.owner == NOBODY:  # noqa: ASYNC110  -- the owner is drawn within a second
                await asyncio.sleep(0.01)
        yield acts
    finally:
        running.cancel()
        await asyncio.wait([running])


async def intended(pool: asyncpg.Pool[Any]) -> UUID:
    """Store an intent that nobody owns; its key is a change that is not sent."""
    id, data = uuid4(), toy.Act(case_id="case", number="1").model_dump_json().encode()
    await pool.execute(
        "insert into intents (id, key, kind, data, owner, since) values ($1, 'case', 'act', $2, $3, now())",
        *(id, data, NOBODY),
    )
    return id


async def test_I4_an_adopted_act_waits_too(pool: asyncpg.Pool[Any]) -> None:
    id = await intended(pool)
    async with acting(pool, pool._connect_args[0]) as acts:
        await acts.effects.adopt(pool, 1)
        await acts.sent.asked()
        assert acts.done == []
        await noted(pool)
        assert isinstance(await acts.outcome(), Done)
    assert acts.done == [id]


async def test_I4_an_act_is_not_done_while_the_database_is_away_and_retried_with_a_pause(
    pool: asyncpg.Pool[Any],
) -> None:
    url = pool._connect_args[0]
    id = await intended(pool)
    async with proxy(url) as (through, between), acting(between_pool := await open_pool(through, "toy"), url) as acts:
        await acts.effects.adopt(pool, 1)
        await acts.sent.asked()
        between.cut()
        assert isinstance(await acts.outcome(), Retry)
        assert acts.done == []
        between.mend()
        await noted(pool)
        while not isinstance(await acts.outcome(), Done):
            pass
        between_pool.terminate()
    assert acts.done == [id]


async def test_I4_F7_an_act_that_waits_is_dropped_once_another_database_is_known(
    pool: asyncpg.Pool[Any], service_pool: Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]
) -> None:
    """The other one need not have what was committed, and what is sent of it says nothing about that."""
    other = await service_pool("toy", toy.MIGRATIONS)
    await intended(pool)
    async with acting(pool, pool._connect_args[0]) as acts, other.acquire() as connection:
        await acts.effects.adopt(pool, 1)
        await acts.sent.asked()
        await acts.known.accept(connection)
        async with asyncio.timeout(120):
            while acts.effects.owner != NOBODY:  # noqa: ASYNC110  -- its connection is lost within milliseconds
                await asyncio.sleep(0.01)
        acts.sent.up_to(monotonic())
        await acts.known.another()
        assert (acts.done, acts.effects.owner) == ([], NOBODY)


async def test_I4_a_worker_that_dies_before_the_act_has_published_its_event(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work(SERVICECERT_DIE_AT="published:1")
    await stand.send(numbered(case, "1"))
    await stand.wait_dead(worker, "published")
    ((_, event),) = await stand.published(INTENTS)
    assert event.key() == str(case)
    assert stand.acts.read_text() == ""
    stand.work()
    await assert_exact(stand, {case: ["1"]})


async def test_I4_a_worker_that_does_not_lead_waits_for_the_leader_s_relay(stand: Stand) -> None:
    cases = {uuid4(): ["1"] for _ in range(3)}
    first, second, third = cases
    leader = stand.work()
    await stand.send(numbered(first, "1"))
    await assert_exact(stand, {first: ["1"]})
    stand.work()
    leader.freeze()
    acts = stand.acts.read_text()
    for case in (second, third):
        await stand.send(numbered(case, "1"))
        await stand.wait_until(f"select exists (select from intents where key = '{case}')")
    assert stand.acts.read_text() == acts
    leader.thaw()
    await assert_exact(stand, cases)


async def test_I4_nothing_is_done_while_the_broker_does_not_take_the_event(stand: Stand) -> None:
    """The journal has it, and that is not enough."""
    cases = {uuid4(): ["1"] for _ in range(2)}
    await take(stand, {"max.message.bytes": "100"})
    stand.work()
    for case in cases:
        await stand.send(numbered(case, "1"))
        await stand.wait_until(f"select exists (select from intents where key = '{case}')")
        assert stand.acts.read_text() == ""
    await take(stand, {})
    await assert_exact(stand, cases)


async def take(stand: Stand, config: Mapping[str, str]) -> None:
    """Configure the topic of intents."""
    cluster = Cluster(stand.bootstrap, stand.prefix)
    async with kafka.admin(cluster) as admin:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, cluster.name(topics.CERTIFICATE_INTENTS), config)]
        )


async def test_who_is_ahead_of_the_journal_waits_so_that_a_look_at_all_that_changed_stays_small(stand: Stand) -> None:
    """A leader that ends before it has sent a look leaves all of it to the next one, and what has come meanwhile."""
    count, seen = 16_000, [0]

    async def stands_still() -> bool:
        seen.append(await stand.fetchval("select count(*) from inbox"))
        return seen[-1] > 0 and len(set(seen[-30:])) == 1

    async with stand.pool.acquire() as leader:
        await leader.execute("select pg_advisory_lock(lock_of('lead'))")
        stand.work(SERVICECERT_BATCH="20")
        await stand.send([event for _ in range(count) for event in numbered(uuid4(), "ignore")])
        await eventually(stands_still)
        await leader.execute("select pg_advisory_unlock(lock_of('lead'))")
    assert seen[-1] < count / 2
    await stand.wait_until(f"select (select count(*) = {count} from inbox) and not exists (select from changes)")

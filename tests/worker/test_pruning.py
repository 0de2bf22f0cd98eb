"""What is pruned by time goes in portions, and takes no lock that stops a turn."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from databases import administer
from identities import any_signer
from recycling import Migrated
from servicecert_intake import service as intake
from servicecert_intake.storage import QUERIES as INTAKE
from servicecert_schemas.topics import JOURNAL_KEPT
from servicecert_worker.audit.chain import Chain
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.storage import QUERIES, database
from toy import service as toy
from worker.test_fold import arrival

PORTION = 5_000
PORTIONS = 10
OLD, RECENT = PORTIONS * PORTION + 1, 2_000
DAYS = timedelta(days=100)
LOCK_TIMEOUT = "50ms"
WEAK = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
"""The locks of a table that reading and writing rows take, which stop nobody who does the same."""
FILL = f"""
insert into inbox (event_id, at)
select gen_random_uuid(), now() - interval '1 day' * case when n <= {OLD} then 150 else 50 end
from generate_series(1, {OLD + RECENT}) as n
"""
LOCKS = "select distinct mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'"


@pytest.fixture
async def pool(migrated: Callable[..., Migrated]) -> AsyncIterator[asyncpg.Pool[Any]]:
    """Connections on which nothing waits for a lock, to an inbox with old and recent ids."""
    options = database.connection_options(toy.NAME)
    options["server_settings"]["lock_timeout"] = LOCK_TIMEOUT
    url = migrated(toy=[toy.MIGRATIONS]).urls[toy.NAME]
    async with asyncpg.create_pool(url, min_size=1, max_size=4, **options) as opened:
        await administer(opened, FILL)
        yield opened


async def test_the_inbox_is_pruned_in_portions_and_keeps_recent_ids(pool: asyncpg.Pool[Any]) -> None:
    done = [await pool.execute(QUERIES["prune"], DAYS) for _ in range(PORTIONS + 2)]
    assert done == [f"DELETE {size}" for size in (*[PORTION] * PORTIONS, 1, 0)]
    assert await pool.fetchval("select count(*) from inbox") == RECENT


@pytest.fixture
async def events(pool: asyncpg.Pool[Any]) -> Callable[[str], Awaitable[list[tuple[str, int]]]]:
    """Published events of two keys, one every ten days. Returns what is kept of a topic: key and days of age."""
    fill = """
        insert into events (topic, key, event_id, type, at, payload)
        select topic, key, gen_random_uuid(), 'a', now() - interval '1 day' * days, ''
        from unnest('{applications,cases,accounts}'::text[]) as topic, unnest('{a,b}'::text[]) as key,
             generate_series(110, 10, -10) as days
        where key = 'a' or days > 60 order by days desc
    """
    await administer(pool, fill)
    await administer(pool, "delete from changes")

    async def left(topic: str) -> list[tuple[str, int]]:
        query = "select key, extract(day from now() - at)::int from events where topic = $1 order by 2 desc, 1"
        return [tuple(row) for row in await pool.fetch(query, topic)]

    return left


async def test_events_are_kept_as_long_as_their_topic_keeps_them(
    pool: asyncpg.Pool[Any], events: Callable[[str], Awaitable[list[tuple[str, int]]]]
) -> None:
    before = await events("applications")
    for _ in range(2):
        await pool.execute(QUERIES["prune_events"], "applications", timedelta(days=90, hours=1))
    assert await events("applications") == [each for each in before if each[1] <= 90]
    assert await events("accounts") == before


async def test_of_a_compacted_topic_the_newest_of_each_key_stays_and_others_as_long_as_the_journal(
    pool: asyncpg.Pool[Any], events: Callable[[str], Awaitable[list[tuple[str, int]]]]
) -> None:
    left = [("b", 70), ("a", 40), ("a", 30), ("a", 20), ("a", 10)]
    assert await pool.execute(QUERIES["prune_replaced_events"], "cases", JOURNAL_KEPT) == "DELETE 11"
    assert await events("cases") == left
    assert await pool.execute(QUERIES["prune_replaced_events"], "cases", JOURNAL_KEPT) == "DELETE 0"
    await administer(pool, "update events set at = at - interval '10 days' where topic = 'cases'")
    await administer(pool, "update journal set pruned = pruned - interval '10 days'")
    assert await pool.execute(QUERIES["prune_replaced_events"], "cases", JOURNAL_KEPT) == "DELETE 1"
    assert [key for key, _ in await events("cases")] == ["b", "a", "a", "a"]


async def test_I1_no_event_that_waits_to_be_published_is_pruned(
    pool: asyncpg.Pool[Any], events: Callable[[str], Awaitable[list[tuple[str, int]]]]
) -> None:
    before = {topic: await events(topic) for topic in ("applications", "cases")}
    noted = """insert into changes (name, keys, at)
        select 'events', array[id::text], at from events where key = 'a' order by id limit 1"""
    await administer(pool, noted)
    await pool.execute(QUERIES["prune_events"], "applications", timedelta(days=90))
    await pool.execute(QUERIES["prune_replaced_events"], "cases", JOURNAL_KEPT)
    assert {topic: await events(topic) for topic in before} == before


async def test_turns_are_taken_while_the_inbox_is_pruned(pool: asyncpg.Pool[Any]) -> None:
    now = datetime.now(UTC)
    chain = Chain(toy.NAME, {}, os.urandom)
    await chain.begin(pool, now)
    turns = Turns(toy.toy(Path(os.devnull), 0), pool, chain, any_signer(toy.NAME))
    async with pool.acquire() as pruning:
        # A portion that is not committed yet: a turn does not wait for it.
        async with pruning.transaction():
            assert await pruning.execute(QUERIES["prune"], DAYS) == f"DELETE {PORTION}"
            assert {row["mode"] for row in await pruning.fetch(LOCKS)} <= WEAK
            await turns.take([arrival(uuid4(), str(n)) for n in range(20)], None, now, 0, "")

        async def prune() -> None:
            while await pruning.execute(QUERIES["prune"], DAYS) != "DELETE 0":
                pass

        pruned = asyncio.create_task(prune())
        taken = 0
        while not pruned.done():
            await turns.take([arrival(uuid4(), str(taken))], None, now, 0, "")
            taken += 1
        await pruned
    assert taken > 1
    assert await pool.fetchval("select count(*) from inbox") == RECENT + 20 + taken


async def test_f5_counts_of_past_hours_go_in_portions_and_skip_rows_that_a_turn_holds(
    migrated: Callable[..., Migrated],
) -> None:
    pool = await database.open_pool(migrated(intake=[intake.MIGRATIONS]).urls["intake"], "intake")
    now = datetime.now(UTC)
    await administer(
        pool,
        "insert into account_events (account_id, hour, stripe, events)"
        " select 'account-' || n, now() - interval '2 days', 0, 1 from generate_series(1, 1500) as n",
    )
    none: tuple[list[Any], ...] = ([], [], [], [])
    async with pool.acquire() as holding, pool.acquire() as counting, holding.transaction():
        await holding.execute("select from account_events order by account_id limit 10 for update")
        for left in (500, 10, 10):
            async with counting.transaction():
                await counting.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                await counting.execute(INTAKE["count_events"], *none, 3, now - timedelta(days=1))
                assert {row["mode"] for row in await counting.fetch(LOCKS)} <= WEAK
            assert await counting.fetchval("select count(*) from account_events") == left
    pool.terminate()

"""Dead members of a consumer group are removed by the leader, which sees from PostgreSQL that they are dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest.mock import AsyncMock
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, NodeNotReadyError
from servicecert_launcher import Child
from servicecert_schemas import topics
from servicecert_worker.core.clock import ClockGuard
from servicecert_worker.core.faults import background
from servicecert_worker.kafka.internals import client_of, group_members, remove_member
from servicecert_worker.runtime import members
from servicecert_worker.runtime.members import DeadMembers, Membership, member_name
from servicecert_worker.storage import QUERIES
from servicecert_worker.storage.database import KnownDatabase, connection_options
from toy import service as toy
from toy.proxy import proxy
from toy.stand import Stand, eventually, numbered

HELD = asyncio.Event()
HELD.set()
LONG_SESSION = {"SERVICECERT_SESSION_SECONDS": "60"}


async def test_I1_others_read_a_killed_workers_partitions_before_its_session_ends(stand: Stand) -> None:
    first, second = stand.work(**LONG_SESSION), stand.work(**LONG_SESSION)
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    await stand.wait_until("select count(*) from inbox", 20)
    await eventually(lambda: _members(stand, 2))
    for killed, handled in ((first, 40), (second, 60)):
        killed.kill()
        stand.work(**LONG_SESSION)
        await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
        await stand.wait_until("select count(*) from inbox", handled)
    logs = "".join(log.read_text() for log in stand.folder.glob("worker-*.log"))
    assert logs.count("A worker does not work; its partitions go to others") == 2


async def _noticed(worker: Child) -> None:
    async def told() -> bool:
        return "The clock is wrong: nothing is decided or signed." in worker.tail(100)

    await eventually(told)


async def _members(stand: Stand, count: int) -> bool:
    try:
        return len(await group_members(client_of(stand.producer), stand.prefix + "toy")) == count
    except KafkaError:
        # The broker is about to make the topic of offsets.
        return False


async def test_only_a_member_of_ours_without_its_lock_is_removed(stand: Stand) -> None:
    group = stand.prefix + "group"
    alive, dead = member_name(group), member_name(group)
    client = client_of(stand.producer)
    async with (
        _member(stand, group, "a-foreign-tool"),
        _member(stand, group, alive),
        _member(stand, group, dead),
        _lock_held(stand, alive) as held,
    ):
        watch = DeadMembers(group, held)
        before = {member.client_id: member.id for member in await group_members(client, group)}
        assert before.keys() == {"a-foreign-tool", alive, dead}
        await watch.remove(client, stand.pool)
        assert {member.client_id: member.id for member in await group_members(client, group)} == before
        await watch.remove(client, stand.pool)

        async def joined_again() -> bool:
            members = {member.client_id: member.id for member in await group_members(client, group)}
            return members.keys() == before.keys() and members[dead] != before[dead]

        # It is a client that joins again without its lock, unlike a worker.
        await eventually(joined_again)
        again = {member.client_id: member.id for member in await group_members(client, group)}
        assert {name for name in again if again[name] == before[name]} == {"a-foreign-tool", alive}

        async def removed_again() -> bool:
            await watch.remove(client, stand.pool)
            return again[dead] not in {member.id for member in await group_members(client, group)}

        await eventually(removed_again)


async def test_a_worker_without_its_own_lock_removes_nobody(stand: Stand) -> None:
    """PostgreSQL is away for all: whoever is first back would remove the others."""
    group, client = stand.prefix + "group", client_of(stand.producer)
    watch = DeadMembers(group, asyncio.Event())
    async with _member(stand, group, member_name(group)):
        before = await group_members(client, group)
        for _ in range(3):
            await watch.remove(client, stand.pool)
        assert await group_members(client, group) == before


@pytest.mark.parametrize("how", ["cut", "silence"])
async def test_I1_a_worker_cut_off_from_its_database_leaves_its_partitions_to_another(stand: Stand, how: str) -> None:
    """It stays out for as long as the cut lasts, and comes back by itself."""
    async with proxy(stand.url) as (url, between):
        stand.work(**LONG_SESSION)
        await eventually(lambda: _members(stand, 1))
        stand.work(**LONG_SESSION, DATABASE_URL=url)
        await eventually(lambda: _members(stand, 2))
        await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
        await stand.wait_until("select count(*) from inbox", 20)
        getattr(between, how)()
        await eventually(lambda: _members(stand, 1))
        for handled in (40, 60):
            await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
            await stand.wait_until("select count(*) from inbox", handled)
            assert await _members(stand, 1), "it stays out"
        between.mend()
        await eventually(lambda: _members(stand, 2))
        await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
        await stand.wait_handled(80)


async def test_I1_what_a_worker_locked_that_fell_silent_within_a_statement_is_free_for_another(stand: Stand) -> None:
    """None of PostgreSQL's time limits ends a session that waits for the rest of a statement."""
    async with proxy(stand.url) as (url, between), _lock_held(stand, member_name("group")):
        silent = await asyncpg.connect(url, **connection_options(toy.NAME, "1s"))
        await silent.execute("begin; select pg_advisory_xact_lock(1)")
        between.silence_after(b"select $1::int")
        with pytest.raises(TimeoutError):
            await silent.fetchval("select $1::int", 1, timeout=1)
        session = f"select state from pg_stat_activity where pid = {silent.get_server_pid()}"
        assert await stand.fetchval(session) == "active"
        await stand.wait_until(session, None)
        silent.terminate()


async def test_a_database_that_is_away_for_all_costs_no_member_its_partitions(stand: Stand) -> None:
    async with proxy(stand.url) as (url, between):
        for _ in range(2):
            stand.work(**LONG_SESSION, DATABASE_URL=url)
        await eventually(lambda: _members(stand, 2))
        await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
        await stand.wait_until("select count(*) from inbox", 20)
        client, group = client_of(stand.producer), stand.prefix + "toy"

        async def all_read() -> bool:
            return all(member.assignment for member in await group_members(client, group))

        await eventually(all_read)
        before = await group_members(client, group)
        between.cut()

        async def all_noticed() -> bool:
            return all("says that this worker lives is unavailable" in worker.tail(100) for worker in stand.workers)

        await eventually(all_noticed)
        await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
        between.mend()
        await stand.wait_until("select count(*) from inbox", 40)
        assert await group_members(client, group) == before


def _shift_clock(file: Path, seconds: str) -> None:
    """Say by how much the worker's clock is wrong: as a whole, since it reads the file at any time."""
    written = file.with_suffix(".new")
    written.write_text(seconds)
    written.replace(file)


async def test_F6_a_worker_whose_clock_is_wrong_leaves_its_partitions_to_another(stand: Stand) -> None:
    shift = stand.folder / "shift"
    _shift_clock(shift, "0")
    wrong = stand.work(**LONG_SESSION, TOY_SHIFT=str(shift))
    stand.work(**LONG_SESSION)
    await eventually(lambda: _members(stand, 2))
    _shift_clock(shift, "86400")
    await eventually(lambda: _members(stand, 1))
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    await stand.wait_handled(20)
    assert "The clock is wrong: nothing is decided or signed." in wrong.tail(100)
    _shift_clock(shift, "0")
    await eventually(lambda: _members(stand, 2))


async def test_F6_the_acts_of_a_worker_whose_clock_is_wrong_are_done_by_another(stand: Stand) -> None:
    shift = stand.folder / "shift"
    _shift_clock(shift, "0")
    stand.work(TOY_SHIFT=str(shift), TOY_ACT_SECONDS="2")
    await stand.send(event for _ in range(20) for event in numbered(uuid4(), "a"))
    await stand.wait_until("select count(*) from inbox", 20)
    _shift_clock(shift, "86400")
    stand.work()
    await stand.wait_handled(20)
    assert shift.read_text() == "86400"


@pytest.mark.parametrize("seconds", ["86400", "-86400"])
async def test_F6_a_worker_that_began_with_a_wrong_clock_goes_on_by_itself_once_it_is_right(
    stand: Stand, seconds: str
) -> None:
    shift = stand.folder / "shift"
    _shift_clock(shift, seconds)
    worker = stand.work(TOY_SHIFT=str(shift))
    await stand.send(numbered(uuid4(), "a"))
    await _noticed(worker)
    assert await stand.fetchval("select count(*) from audit") == 0
    _shift_clock(shift, "0")
    await stand.wait_handled(1)


async def test_F6_all_workers_wait_with_their_partitions_while_the_database_is_the_wrong_one(stand: Stand) -> None:
    shift = stand.folder / "shift"
    _shift_clock(shift, "0")
    worker = stand.work(**LONG_SESSION, TOY_SHIFT=str(shift), TOY_ACT_SECONDS="0")
    await stand.send(numbered(uuid4(), "a"))
    await stand.wait_handled(1)
    client, group = client_of(stand.producer), stand.prefix + "toy"
    before = await group_members(client, group)
    _shift_clock(shift, "3600")
    await stand.send(numbered(uuid4(), "b"))
    await _noticed(worker)
    assert await stand.fetchval("select count(*) from inbox") == 1
    _shift_clock(shift, "0")
    await stand.wait_handled(2)
    assert await group_members(client, group) == before


async def test_a_lock_whose_connection_is_lost_is_taken_again(stand: Stand) -> None:
    name = member_name("group")
    async with _lock_held(stand, name):
        for _ in range(3):
            lost = await stand.fetchval(
                "select pid from pg_locks where locktype = 'advisory' and"
                f" (classid::bigint << 32) | objid::bigint = lock_of('member/{name}')"
            )
            await stand.fetchval(f"select pg_terminate_backend({lost}, 10000)")
            await eventually(partial(_is_held, stand, name))


async def test_an_error_from_the_broker_is_left_to_the_next_look(stand: Stand, monkeypatch) -> None:
    client, group = client_of(stand.producer), stand.prefix + "group"
    watch = DeadMembers(group, HELD)
    async with _member(stand, group, member_name(group)):
        (before,) = await group_members(client, group)
        await watch.remove(client, stand.pool)
        with monkeypatch.context() as patch:
            patch.setattr(client, "coordinator_lookup", AsyncMock(side_effect=NodeNotReadyError))
            await watch.remove(client, stand.pool)
        with monkeypatch.context() as patch:
            patch.setattr(members, "remove_member", AsyncMock(side_effect=NodeNotReadyError))
            await watch.remove(client, stand.pool)
        assert await group_members(client, group) == [before]
        await watch.remove(client, stand.pool)

        async def joined_again() -> bool:
            found = await group_members(client, group)
            return len(found) == 1 and found != [before]

        await eventually(joined_again)


async def test_a_member_that_has_left_is_removed_without_an_error(stand: Stand) -> None:
    group = stand.prefix + "group"
    async with _member(stand, group, "another"):
        await remove_member(client_of(stand.producer), group, "left-long-ago")


@asynccontextmanager
async def _lock_held(stand: Stand, name: str) -> AsyncIterator[asyncio.Event]:
    member = Membership(stand.url, KnownDatabase(), "toy", name, ClockGuard(timedelta(minutes=1)))
    async with background(member.hold()):
        await eventually(partial(_is_held, stand, name))
        await member.held.wait()
        yield member.held


async def _is_held(stand: Stand, name: str) -> bool:
    return not await stand.pool.fetch(QUERIES["unheld"], [name])


@asynccontextmanager
async def _member(stand: Stand, group: str, client_id: str) -> AsyncIterator[None]:
    consumer = AIOKafkaConsumer(
        stand.prefix + topics.APPLICATIONS.name,
        bootstrap_servers=stand.bootstrap,
        group_id=group,
        client_id=client_id,
        heartbeat_interval_ms=200,
        session_timeout_ms=300_000,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()

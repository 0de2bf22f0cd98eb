"""Dead members of a consumer group are removed by the leader, which sees from PostgreSQL that they are dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from unittest.mock import AsyncMock
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import NodeNotReadyError
from servicecert_schemas import topics
from servicecert_worker.faults import background
from servicecert_worker.kafka.internals import client_of, group_members, remove_member
from servicecert_worker.runtime import members
from servicecert_worker.runtime.members import DeadMembers, hold_lock, member_name
from servicecert_worker.storage import QUERIES
from toy.stand import Stand, eventually, numbered

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
    assert logs.count("A worker is dead; its partitions go to others now") == 2


async def _members(stand: Stand, count: int) -> bool:
    return len(await group_members(client_of(stand.producer), stand.prefix + "toy")) == count


async def test_only_a_member_of_ours_without_its_lock_is_removed_and_only_once(stand: Stand) -> None:
    group = stand.prefix + "group"
    alive, dead = member_name(group), member_name(group)
    client = client_of(stand.producer)
    async with (
        _member(stand, group, "a-foreign-tool"),
        _member(stand, group, alive),
        _member(stand, group, dead),
        _lock_held(stand, alive),
    ):
        watch = DeadMembers(group)
        before = {member.client_id: member.id for member in await group_members(client, group)}
        assert before.keys() == {"a-foreign-tool", alive, dead}
        await watch.remove(client, stand.pool)
        assert {member.client_id: member.id for member in await group_members(client, group)} == before
        await watch.remove(client, stand.pool)
        # It learns of its removal by its next heartbeat: here it is no member.
        await watch.remove(client, stand.pool)

        async def joined_again() -> bool:
            members = {member.client_id: member.id for member in await group_members(client, group)}
            return members.keys() == before.keys() and members[dead] != before[dead]

        # It lives, and so joins again; it is left alone from now on.
        await eventually(joined_again)
        again = {member.client_id: member.id for member in await group_members(client, group)}
        for _ in range(4):
            await watch.remove(client, stand.pool)
        assert {member.client_id: member.id for member in await group_members(client, group)} == again
        assert {name for name in again if again[name] == before[name]} == {"a-foreign-tool", alive}
        # It holds its lock again, and then dies.
        async with _lock_held(stand, dead):
            await watch.remove(client, stand.pool)

        async def removed_again() -> bool:
            await watch.remove(client, stand.pool)
            return again[dead] not in {member.id for member in await group_members(client, group)}

        await eventually(removed_again)


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
    watch = DeadMembers(group)
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
async def _lock_held(stand: Stand, name: str) -> AsyncIterator[None]:
    async with background(hold_lock(stand.url, "toy", name)):
        await eventually(partial(_is_held, stand, name))
        yield


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

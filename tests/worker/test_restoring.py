"""A copy of the tables from any moment is brought forward by the journal to exactly what was lost (F7)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from databases import administrator_of
from journaled import Journaled
from servicecert_schemas.topics import journal_topic
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.journal import TYPE, JournalTopic
from servicecert_worker.kafka.reading import part_reader
from servicecert_worker.runtime import restoring
from servicecert_worker.runtime.publishing import Outgoing, send_all
from servicecert_worker.runtime.restoring import Forward, bring_forward
from servicecert_worker.storage.admission import is_owner
from toy import service as toy
from toy.stand import Stand, assert_exact, numbered

Copy = Mapping[str, Sequence[asyncpg.Record]]

_DONE = """
select not exists (select from intents) and not exists (select from deadlines) and not exists (select from outbox)
"""
_OPERATORS = "select {}_parked(array(select event_id from parked where culprit order by seq limit {}))"
_ROW = "insert into audit (chain, seq, at, key, entry, hash) values ($1, $2, now(), '', '{\"begun\":{}}', sha256(''))"
KEPT = ("changes", "journal", "inbox")
"""Tables that a copy has, beside those in the journal."""


@asynccontextmanager
async def as_administrator(stand: Stand) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(await administrator_of(stand.pool), server_settings={"search_path": toy.NAME})
    try:
        yield connection
    finally:
        await connection.close()


async def copied(connection: asyncpg.Connection[Any]) -> Copy:
    """Return all rows, as they are at one moment."""
    async with connection.transaction(isolation="repeatable_read"):
        names = [row[0] for row in await connection.fetch('select "table" from journaled order by place')]
        return {name: await connection.fetch(f'select * from "{name}"') for name in (*names, *KEPT)}


async def put_back(connection: asyncpg.Connection[Any], copy: Copy) -> None:
    await connection.execute("set session_replication_role = replica")
    for table, rows in copy.items():
        await connection.execute(f'delete from "{table}"')
        for row in map(dict, rows):
            names, places = (
                ", ".join(each) for each in (map('"{}"'.format, row), map("${}".format, range(1, len(row) + 1)))
            )
            await connection.execute(
                f'insert into "{table}" ({names}) overriding system value values ({places})', *row.values()
            )
    await connection.execute("set session_replication_role = origin")


async def restored(stand: Stand, *, act: bool = True) -> Forward:
    cluster = Cluster(stand.bootstrap, stand.prefix)
    verifier = Verifier(read_public_keys(stand.identities.folder), cluster.prefix)
    async with as_administrator(stand) as connection, part_reader(cluster) as reader:
        assert await is_owner(connection, toy.NAME)
        topic = await JournalTopic.open(reader, cluster, toy.NAME, verifier)
        return await bring_forward(connection, topic, act=act)


@pytest.mark.parametrize("batch", [0, 8_000_000])
async def test_F7_a_copy_from_any_moment_is_brought_forward_to_what_was_lost(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(restoring, "_BATCH_BYTES", batch)
    dice = random.Random(3)
    cases = [uuid4() for _ in range(30)]
    stand.work(SERVICECERT_BATCH="7")
    async with as_administrator(stand) as connection:
        copies = [await copied(connection)]

        async def load() -> None:
            for turn in range(6):
                texts = ["raise-in-decide" if turn == 2 else str(turn), f"{turn}x"]
                await stand.send([each for case in cases for each in numbered(case, dice.choice(texts))])
                await asyncio.sleep(0.3)
                if turn == 3:
                    stand.workers[-1].kill()
                    stand.work(SERVICECERT_BATCH="7")
                if turn == 4:
                    await connection.execute(_OPERATORS.format("replay", 5))

        loading = asyncio.create_task(load())
        for _ in range(8):
            await asyncio.sleep(0.35)
            copies.append(await copied(connection))
        await loading
        await stand.wait_until(f"{_DONE} and (select count(*) from inbox) + (select count(*) from parked) = 180")
        await connection.execute(_OPERATORS.format("discard", 1))
        await stand.wait_until("select not exists (select from changes)")
        assert stand.workers[-1].stop(60) == 0
        lost = await Journaled.of(connection)
        for copy in copies:
            await put_back(connection, copy)
            assert (await restored(stand, act=False)).since is not None
            assert (await restored(stand)).since is not None
            assert not lost.differences(await Journaled.of(connection))
            assert (await restored(stand)).since is None


async def test_I3_F7_what_is_changed_after_a_copy_was_put_back_takes_no_place_of_the_journal_s(stand: Stand) -> None:
    """What an operator does then knows nothing of what the tables lack."""
    case = uuid4()
    async with as_administrator(stand) as connection:
        empty = await copied(connection)
        worker = stand.work()
        await stand.send(numbered(case, "1"))
        await stand.wait_handled(1)
        await stand.wait_until("select not exists (select from changes)")
        assert worker.stop(60) == 0
        lost = await Journaled.of(connection)
        await put_back(connection, empty)
        await connection.execute("insert into changes (name, keys) values ('key', array[$1])", str(case))
        assert (await restored(stand, act=False)).changed_since is not None
        assert (await restored(stand)).changed_since is not None
        assert not lost.differences(await Journaled.of(connection))
        # What waits once nothing is lacking is ordinary.
        assert (await restored(stand)).changed_since is None


async def test_F7_events_that_the_journal_has_and_no_topic_has_are_published_after_a_restore(stand: Stand) -> None:
    case = uuid4()
    async with as_administrator(stand) as connection:
        empty = await copied(connection)
        worker = stand.work(SERVICECERT_DIE_AT="relay-journaled:3")
        await stand.send(numbered(case, "1", "2", "3"))
        await stand.wait_dead(worker, "relay-journaled")
        lost = await Journaled.of(connection)
        published = await stand.published()
        await put_back(connection, empty)
        assert (await restored(stand)).since is not None
        assert not lost.differences(await Journaled.of(connection))
        assert await stand.published() == published
    stand.work()
    await assert_exact(stand, {case: ["1", "2", "3"]})


async def test_F7_a_look_that_was_never_finished_counts_for_nothing(stand: Stand) -> None:
    case = uuid4()
    cluster, signer = Cluster(stand.bootstrap, stand.prefix), stand.identities.signer(toy.NAME)
    async with as_administrator(stand) as connection:
        worker = stand.work()
        await stand.send(numbered(case, "1"))
        await stand.wait_handled(1)
        assert worker.stop(60) == 0
        lost, copy = await Journaled.of(connection), await copied(connection)
        head = {"epoch": 9, "look": 1, "part": 0, "last": False, "changes": [str(uuid4())]}
        value = json.dumps({**head, "groups": [["key", str(case), {"tally": None}]]}).encode()
        place = journal_topic(toy.NAME).name, toy.NAME, uuid4(), TYPE
        signature = signer.sign(*place, value, now := machine_clock())
        await send_all(stand.producer, cluster.prefix, signer.source, [Outgoing(*place, None, now, value, signature)])
        assert (await restored(stand)).since is None
        await put_back(connection, {name: [] if name in lost.rows else rows for name, rows in copy.items()})
        await connection.execute("update journal set next_offset = null, epoch = 0, look = 0, begun = 0")
        assert (await restored(stand)).since is not None
        assert not lost.differences(await Journaled.of(connection))
        assert await connection.fetchval("select begun from journal") == 9
    stand.work()
    await stand.send(numbered(case, "2"))
    await assert_exact(stand, {case: ["1", "2"]})


async def test_F7_tables_that_are_older_than_the_journal_are_left_alone(stand: Stand) -> None:
    """As the migration finds them that begins the journal, or as they are when its first records are gone."""
    async with as_administrator(stand) as connection:
        chain = uuid4()
        await connection.execute("insert into audit_chains (chain) values ($1)", chain)
        for seq in (1, 2):
            await connection.execute(_ROW, chain, seq)
        await connection.execute("delete from changes where keys[1] like '%, 1]'")
        worker = stand.work()
        await stand.wait_until("select not exists (select from changes) and (select next_offset > 0 from journal)")
        assert worker.stop(60) == 0
        now = await copied(connection)
        await put_back(connection, {name: [] if name != "journal" else rows for name, rows in now.items()})
        await connection.execute("update journal set next_offset = null, epoch = 0, look = 0")
        for act in (False, True):
            with pytest.raises(OperatorError, match="restore a newer copy"):
                await restored(stand, act=act)
        await put_back(connection, now)
        await delete_records(stand)
        assert (await restored(stand)).since is None
        await connection.execute("update journal set next_offset = 0")
        with pytest.raises(OperatorError, match="restore a newer copy"):
            await restored(stand)


async def test_F7_tables_and_columns_are_those_of_the_schema_as_it_is(stand: Stand) -> None:
    """A younger table keeps what the migration gave it; what an older schema lacks is told."""
    case = uuid4()
    async with as_administrator(stand) as connection:
        empty = await copied(connection)
        await connection.execute("alter table tally add column colour text")
        worker = stand.work()
        await stand.send(numbered(case, "1"))
        await stand.wait_handled(1)
        assert worker.stop(60) == 0
        await put_back(connection, empty)
        assert await is_owner(connection, toy.NAME)
        await connection.execute("create table young (key text primary key, colour text not null default 'red')")
        await connection.execute("insert into young select $1", str(case))
        await connection.execute("select keep_in_journal('young', 'key', '{key}')")
        assert (await restored(stand)).since is not None
        assert await connection.fetchval("select count(*) from young") == 1
        await connection.execute("alter table tally drop column colour")
        await connection.execute("reset role")
        await put_back(connection, empty)
        with pytest.raises(OperatorError, match=r"has tally\.colour, which its schema lacks"):
            await restored(stand)


async def delete_records(stand: Stand) -> None:
    """Delete all records of the journal, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stand.bootstrap)
    await admin.start()
    try:
        place = TopicPartition(stand.prefix + journal_topic(toy.NAME).name, 0)
        await admin.delete_records({place: RecordsToDelete(-1)})
    finally:
        await admin.close()

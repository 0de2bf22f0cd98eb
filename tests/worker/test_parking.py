"""Poison is harmless (I6), keeps its case waiting and no other (I5), and an operator lets it go on."""

from __future__ import annotations

import asyncio
import json
import os
import re
from base64 import b64encode
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from databases import administer, operator
from examples import encode
from servicecert_cli.operations import refilling
from servicecert_schemas.codec import decode
from servicecert_schemas.event import Envelope
from servicecert_schemas.operators import RecordParked
from servicecert_schemas.topics import parked_topic
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime import parking
from toy.stand import Stand, numbered

pytestmark = pytest.mark.usefixtures("measured_processes")

PERSONAL = "This text may be personal"


async def parked(stand: Stand) -> list[parking.ParkedRecord]:
    async with stand.pool.acquire() as connection:
        return await parking.find(connection, parking.Selection())


def headers(**changed: str | None) -> list[tuple[str, bytes]]:
    event_id, data = numbered(uuid4(), "1")[0]
    fields = dict(encode(Envelope(event_id, "/test", data.TYPE, data.key(), datetime.now(UTC), data.key()), data)[0])
    for name, text in changed.items():
        if text is None:
            del fields[name]
        else:
            fields[name] = text.encode()
    return list(fields.items())


POISON: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]], str]] = [
    (b"a", b"no event at all", [], "no-event"),
    (b"b", None, headers(), "no-value"),
    (b"c", b"{}", headers(), "wrong-schema"),
    (b"d", b"\xff\xfe\x00", headers(), "wrong-schema"),
    (b"e", b"{}", headers(ce_type="servicecert.application.withdrawn.v99"), "unknown-type"),
    (b"f", b"{}", headers(ce_id="not a uuid"), "no-event"),
    (b"g", b"{}", headers(ce_time=None), "no-event"),
    (b"h", b" " * 300_000, headers(), "too-large"),
    (b"i", b'{"attachments":[%b]}' % b",".join([b"{}"] * 80_000), headers(), "too-large"),
    (None, b"{}", headers(), "no-event"),
    (b"\xff\x00", b"{}", headers(), "no-event"),
]


async def test_I6_what_is_no_event_is_parked_and_its_partition_goes_on(stand: Stand) -> None:
    """The good records come after the poison, in every partition."""
    stand.work()
    expected = {
        await stand.send_raw(key, value, record_headers): reason for key, value, record_headers, reason in POISON
    }
    await stand.send([event for _ in range(40) for event in numbered(uuid4(), "1")])
    await stand.wait_handled(40)
    records = await parked(stand)
    assert {(each.partition, each.offset): each.reason for each in records} == expected
    assert all((each.culprit, each.attempts) == (True, 1) for each in records)
    notices = [
        decode(parked_topic("intake").name, each.key, each.headers, each.value)[1]
        for each in await stand.records("toy.parked")
    ]
    assert {(each.partition, each.offset) for each in notices if isinstance(each, RecordParked)} == expected.keys()


@pytest.mark.parametrize("where", ["decide", "examine", "save"])
async def test_I6_one_event_that_a_handler_raises_at_is_found_among_many(stand: Stand, where: str) -> None:
    good = [uuid4() for _ in range(30)]
    bad = uuid4()
    events = [event for case in good[:15] for event in numbered(case, "1")]
    events += numbered(bad, f"raise-in-{where}")
    events += [event for case in good[15:] for event in numbered(case, "1")]
    await stand.send(events)
    worker = stand.work()
    await stand.wait_handled(30)
    await stand.wait_until("select count(*) from parked", 1)
    (record,) = await parked(stand)
    storing = {"decide": "decide-raised", "examine": "examine-raised", "save": "storing-raised"}
    assert (record.key, record.reason) == (str(bad), storing[where])
    assert worker.stop(60) == 0
    log = (stand.folder / "worker-0.log").read_text()
    assert PERSONAL not in record.error
    assert PERSONAL not in log
    (line,) = [json.loads(line) for line in log.splitlines() if '"level": "error"' in line]
    assert (line["reason"], line["event_id"], line["key"]) == (record.reason, str(record.event_id), record.key)
    assert re.fullmatch(r"\w+ at \w+\.pyx?:\d+", line["error"])
    assert (await stand.codes()).keys() == set(good)


async def test_I5_later_events_of_a_parked_case_wait_behind_it_and_other_cases_go_on(stand: Stand) -> None:
    bad, good = uuid4(), uuid4()
    stand.work()
    await stand.send(numbered(bad, "1", "raise-in-decide", "2"))
    await stand.send(numbered(good, "1", "2"))
    await stand.wait_handled(3)
    await stand.wait_until("select count(*) from parked", 2)
    await stand.send(numbered(bad, "3"))
    await stand.wait_until("select count(*) from parked", 3)
    (culprit,) = await parked(stand)
    assert (culprit.reason, culprit.waiting) == ("decide-raised", 2)
    async with operator(stand.pool) as connection:
        assert await parking.discard(connection, [culprit.event_id]) == 1
    await stand.wait_handled(6)
    assert [c for c in (await stand.codes())[bad] if c.startswith("n")] == ["n1", "n2", "n3"]


async def test_a_replay_repairs_in_order_and_a_culprit_that_stays_one_is_counted(stand: Stand) -> None:
    bad = uuid4()
    await administer(stand.pool, "alter table tally add constraint later check (body->>'numbers' not like '%not-yet%')")
    stand.work()
    await stand.send(numbered(bad, "1", "not-yet", "2"))
    await stand.wait_until("select count(*) from parked", 2)
    (culprit,) = await parked(stand)
    await replay(stand, culprit.event_id)
    await stand.wait_until("select max(attempts) from parked where not released", 2)
    await administer(stand.pool, "alter table tally drop constraint later")
    await replay(stand, culprit.event_id)
    await stand.wait_handled(3)
    assert [c for c in (await stand.codes())[bad] if c.startswith("n")] == ["n1", "nnot-yet", "n2"]
    assert await stand.fetchval("select count(*) from parked") == 0


async def test_I10_of_a_parked_record_only_what_is_storable_is_kept_and_it_goes_on_with_that(stand: Stand) -> None:
    bad = uuid4()
    stand.work()
    await stand.send(numbered(bad, "1", "raise-in-decide secret", "secret"))
    await stand.send_raw(b"k", b"{secret", [*headers(), ("note", b"secret")])
    await stand.wait_until("select count(*) from parked", 3)
    assert (
        await stand.fetchval("select count(*) from parked where position('hidden' in encode(value, 'escape')) > 0") == 3
    )
    assert (
        await stand.fetchval("select count(*) from parked where position('secret' in encode(value, 'escape')) > 0") == 0
    )
    assert b64encode(b"secret").decode() not in str(await stand.pool.fetch("select headers from parked"))
    (culprit,) = [each for each in await parked(stand) if each.key == str(bad)]
    async with operator(stand.pool) as connection:
        assert await parking.discard(connection, [culprit.event_id]) == 1
    await stand.wait_handled(3)
    assert [c for c in (await stand.codes())[bad] if c.startswith("n")] == ["n1", "nhidden"]


async def test_I5_what_waits_behind_a_replayed_record_is_handled_even_if_the_worker_ends_in_between(
    stand: Stand,
) -> None:
    bad = uuid4()
    await administer(stand.pool, "alter table tally add constraint later check (body->>'numbers' not like '%not-yet%')")
    worker = stand.work()
    await stand.send(numbered(bad, "not-yet", "1", "2"))
    await stand.wait_until("select count(*) from parked", 3)
    assert worker.stop(60) == 0
    await administer(stand.pool, "alter table tally drop constraint later")
    (culprit,) = await parked(stand)
    await replay(stand, culprit.event_id)
    # As a worker leaves it that has committed the turn of the first one alone.
    await administer(
        stand.pool,
        "with gone as (delete from parked where culprit returning event_id)"
        " insert into inbox (event_id) select event_id from gone",
    )
    stand.work()
    await stand.wait_handled(3)
    assert [c for c in (await stand.codes())[bad] if c.startswith("n")] == ["n1", "n2"]


async def test_I5_a_discard_waits_for_the_turn_that_parks_a_record_behind(stand: Stand) -> None:
    bad = uuid4()
    worker = stand.work()
    await stand.send(numbered(bad, "raise-in-decide", "1"))
    await stand.wait_until("select count(*) from parked", 2)
    assert worker.stop(60) == 0
    (culprit,) = await parked(stand)
    async with stand.pool.acquire() as turn, operator(stand.pool) as connection:
        async with turn.transaction():
            await turn.execute("select pg_advisory_xact_lock(lock_of('key/' || $1))", str(bad))
            discarding = asyncio.create_task(parking.discard(connection, [culprit.event_id]))
            await stand.wait_until("select count(*) from pg_locks where locktype = 'advisory' and not granted", 1)
            await turn.execute(
                'insert into parked (event_id, key, topic, partition, "offset", headers, culprit, reason, error,'
                ' attempts, first_at, last_at, kept) select gen_random_uuid(), key, topic, partition, "offset" + 9,'
                " headers, false, reason, error, 1, first_at, last_at, kept from parked where not culprit"
            )
        assert await discarding == 1
    assert await stand.fetchval("select count(*) from parked where released") == 2


async def replay(stand: Stand, event_id: UUID) -> None:
    async with operator(stand.pool) as connection:
        assert await parking.replay(connection, [event_id]) == 1


async def test_I2_a_second_copy_of_a_parked_event_changes_nothing(stand: Stand) -> None:
    bad = uuid4()
    events = numbered(bad, "raise-in-decide", "2")
    stand.work()
    await stand.send(events * 3)
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(1)
    await stand.wait_until("select count(*) from parked", 2)
    assert await stand.fetchval("select count(*) from inbox") == 1


async def test_I2_I6_a_parked_record_that_is_read_again_is_published_once(stand: Stand) -> None:
    worker = stand.work()
    await stand.send_raw(b"k", b"{}", headers())
    await stand.wait_until("select count(*) = 1 from parked")
    await stand.wait_until("select count(*) = 0 from outbox")
    before = await parked(stand)
    assert worker.stop(60) == 0
    await stand.rewind()
    stand.work()
    await stand.send([event for _ in range(8) for event in numbered(uuid4(), "1")])
    await stand.wait_handled(8)
    assert await parked(stand) == before
    assert len(await stand.records("toy.parked")) == 1


async def test_f5_beyond_the_most_a_record_is_parked_without_its_value_and_nothing_is_lost(stand: Stand) -> None:
    """Who can write to a topic cannot fill the database; the case keeps its order, and a replay reads the topic."""
    bad = uuid4()
    await administer(stand.pool, "alter table tally add constraint later check (body->>'numbers' not like '%not-yet%')")
    stand.work(SERVICECERT_PARKED_MOST="1")
    await stand.send_raw(b"k", b"no event " * 1_000, [])
    await stand.wait_until("select count(*) from parked", 1)
    await stand.send(numbered(bad, "1", "not-yet", "2"))
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(2)
    await stand.wait_until("select count(*) from parked", 3)
    assert await stand.fetchval("select count(*) from parked where kept") == 1
    assert await stand.fetchval("select count(*) from parked where not kept and value is null and headers = '[]'") == 2
    (culprit,) = [each for each in await parked(stand) if each.key == str(bad)]
    await administer(stand.pool, "alter table tally drop constraint later")
    await replay(stand, culprit.event_id)
    await stand.wait_until("select max(attempts) from parked where reason = 'not-kept' and not released", 2)
    ids, told = [culprit.event_id], list[str]()

    def cluster() -> Cluster:
        return Cluster(stand.bootstrap, stand.prefix)

    async with operator(stand.pool) as connection:
        assert len(await parking.unkept(connection, ids)) == 2
        with pytest.raises(OperatorError, match="once with the service's own DATABASE_URL"):
            await refilling.replay(connection, ids, cluster, told.append)
    async with stand.pool.acquire() as service:
        assert await refilling.replay(service, ids, cluster, told.append) == 0
        assert told == ["2 values are stored: run this again with an operator's DATABASE_URL."]
        assert await parking.unkept(service, ids) == []
    async with operator(stand.pool) as connection:
        assert await refilling.replay(connection, ids, cluster, told.append) == 1
    await stand.wait_handled(4)
    assert [c for c in (await stand.codes())[bad] if c.startswith("n")] == ["n1", "nnot-yet", "n2"]


async def test_f5_the_parked_are_bounded_in_octets_too(stand: Stand) -> None:
    """A few large values take the room of many: of the rest only the rows are written."""
    stand.work(SERVICECERT_PARKED_MOST="20")
    for number in range(8):
        await stand.send_raw(f"k{number}".encode(), b64encode(os.urandom(60_000)), [])
    await stand.wait_until("select count(*) from parked", 8)
    kept = await stand.fetchval("select sum(length(value)) from parked where kept")
    assert 200_000 < kept < 20 * 16 * 1024
    assert await stand.fetchval("select count(*) from parked where not kept and value is null") > 3

"""What a relay sends to the journal is read again whole, however much it is, and its events keep their order."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import TopicPartition
from commandline import begun
from servicecert_schemas import topics
from servicecert_schemas.topics import MAX_EVENT_BYTES, MAX_JOURNAL_BYTES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.journal import LookReader, Number, Part, read_part
from servicecert_worker.kafka.reading import part_reader
from toy import service as toy
from toy.stand import Stand

CHANGES, EVENTS = 12_000, 1_200
LARGE = "å" * 1_500_000
"""More than a record of another topic may have."""


async def looks(stand: Stand) -> list[Sequence[Part]]:
    """Return the whole looks of the journal."""
    partition = TopicPartition(stand.prefix + topics.journal_topic(toy.NAME).name, 0)
    verifier, reading = stand.identities.verifier(stand.prefix), LookReader(Number(0, 0))
    async with part_reader(Cluster(stand.bootstrap, stand.prefix)) as reader:
        records = await reader.read({partition: await reader.extent(partition)})
    assert all(len(record.value or b"") <= MAX_JOURNAL_BYTES for record in records)
    return [whole for record in records if (whole := reading.add(read_part(toy.NAME, record, verifier)))]


async def test_I5_F5_a_look_after_an_outage_reaches_the_journal_and_its_events_their_topics_in_order(
    stand: Stand,
) -> None:
    assert len(LARGE.encode()) > MAX_EVENT_BYTES
    await stand.pool.execute("insert into tally (key, version, body) values ('large', 1, $1)", f'{{"it":"{LARGE}"}}')
    await stand.pool.execute(
        "insert into changes (name, keys) select 'key', '{a}' from generate_series(1, $1)", CHANGES
    )
    await stand.pool.execute(
        "insert into events (topic, key, event_id, type, payload, at) "
        "select 'certificates', 'a', gen_random_uuid(), 'any', n::text::bytea, now() from generate_series(1, $1) as n",
        EVENTS,
    )
    noted = {row["id"] for row in await stand.pool.fetch("select id from changes")}
    worker = stand.work()
    await stand.wait_until("select count(*) = 0 from changes")
    assert worker.stop(60) == 0
    first = (await looks(stand))[0]
    assert {id for part in first for id in part.changes} >= noted
    groups = {(group.name, group.key): group.rows for part in first for group in part.groups}
    assert [row["body"] for row in groups["key", "large"]["tally"] or ()] == [{"it": LARGE}]
    assert sum(name == "events" for name, _ in groups) >= EVENTS
    published = [int(record.value) for record in await stand.records("certificates") if record.key == b"a"]
    assert published == list(range(1, EVENTS + 1))
    await begun([again := stand.work()])
    await stand.wait_until("select count(*) = 0 from changes")
    assert again.stop(60) == 0


async def test_F5_what_is_too_large_for_the_journal_stops_the_worker_with_the_setting_to_make(stand: Stand) -> None:
    await stand.pool.execute(
        "insert into tally (key, version, body) values ('a', 1, jsonb_build_object('it', repeat('x', $1)))",
        MAX_JOURNAL_BYTES,
    )
    worker = stand.work()
    await stand.wait_dead(worker, "a record that is too large")
    assert worker.stop(60) == 78
    assert f"set its max.message.bytes to {MAX_JOURNAL_BYTES}" in worker.tail(20)

"""A replay on a real database: whatever the tables forgot is decided again as it was, and nothing is done twice."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from recycling import Recycler, schemas
from servicecert_cli.operations.forgotten import Comparison
from servicecert_schemas.certificate import IssuingRefused
from servicecert_schemas.codec import to_record
from servicecert_schemas.topics import CERTIFICATES
from servicecert_worker.core.decider import Connection, Deadlines, Happened
from servicecert_worker.core.owed import content_id
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import PartReader
from servicecert_worker.replay.agreement import Difference, drop_contradicting
from servicecert_worker.replay.order import Agenda
from servicecert_worker.runtime.effects import NOBODY
from servicecert_worker.storage import database
from services.handler import example
from toy.remembering import NOW, Course, Interrupted, Pool, Remembering, Taken, record, replayed, restored, tables
from toy.service import MIGRATIONS, Tally

Empty = Callable[[], Any]
SCHEMAS = schemas(issuer=[MIGRATIONS])
CASES = [UUID(int=n) for n in range(1, 6)]


@pytest.fixture
def empty(recycler: Recycler) -> Empty:
    """Empty tables, for as long as the context is open."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Pool]:
        taken = recycler.take(SCHEMAS)
        pool = await database.open_pool(taken.urls["issuer"], "issuer")
        try:
            yield pool
        finally:
            pool.terminate()
            recycler.give_back(SCHEMAS, taken)

    return opened


@dataclass(frozen=True)
class Played:
    """A course that came to its end, all of it published: its turns, its records by partition, its tables."""

    taken: Sequence[Taken]
    partitions: Sequence[Sequence[Record]]
    published: PublishedEvents
    tables: dict[str, Any]


async def play(pool: Pool, seed: int) -> Played:
    """Draw a course: five cases in two partitions, poison, copies, a case that waits and is released."""
    drawn = random.Random(seed)
    service = Remembering(drawn=lambda: drawn.randrange(1, 10**6))
    course = Course(pool, service)
    offsets = [0, 0]
    lost = CASES[-1]

    def make(case: UUID, text: str) -> Record:
        partition = case.int % 2
        offsets[partition] += 1
        written = course.now - timedelta(milliseconds=drawn.randrange(200))
        return record(case, text, offsets[partition], written, partition=partition)

    def copy(of: Record) -> Record:
        offsets[of.partition] += 1
        return replace(of, offset=offsets[of.partition], written=course.now)

    def poison(case: UUID) -> Record:
        return replace(make(case, "quiet-0"), value=b"{}")

    for number in range(14):
        course.now += timedelta(microseconds=drawn.randrange(1, 400_000))
        kinds = drawn.choices(("loud", "quiet", "view"), (4, 2, 3), k=drawn.randrange(4))
        records = [make(drawn.choice(CASES), f"{kind}-{number}-{place}") for place, kind in enumerate(kinds)]
        if number == 3:
            records.append(make(lost, "lost-3"))
        if number == 5:
            records.append(poison(CASES[0]))
        if number % 4 == 1 and course.read:
            records.append(copy(drawn.choice(course.read)))
        service.mended = service.mended or number >= 8
        results = [task for task in course.tasks if drawn.random() < 0.6]
        await course.step(records, results=results, release=str(lost) if number == 9 else "")
        if drawn.random() < 0.7:
            await course.relay()
    course.now += timedelta(seconds=1)
    await course.step([make(CASES[1], "loud-last")], results=course.tasks)
    await course.relay()
    partitions = [[each for each in course.read if each.partition == number] for number in (0, 1)]
    return Played(course.taken, partitions, PublishedEvents(course.published), await tables(pool))


def assert_same(found: dict[str, Any], expected: dict[str, Any], when: str) -> None:
    different = {
        name: (sorted(set(found[name]) - set(rows)), sorted(set(rows) - set(found[name])))
        for name, rows in expected.items()
        if found[name] != rows
    }
    assert not different, f"{when}: more and less than expected: {different}"


def inert(**changes: Any) -> Any:
    """The service of a replay: it may not act, and no number that it draws is good."""
    service = Remembering(mended=True, drawn=lambda: 10**9)
    made = service.service(**changes)

    async def sign(_tasks: object) -> Any:
        pytest.fail("A replay signs nothing.")

    effects = {**made.effects, "sign": replace(made.effects["sign"], do=sign)}
    return replace(made, effects=effects)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_from_any_moment_on_a_replay_comes_to_the_same_end(empty: Empty, seed: int) -> None:
    """Also from none, and also if all records come that the tables know already."""
    async with empty() as pool:
        played = await play(pool, seed)
    for turns in range(len(played.taken) + 1):
        async with empty() as pool:
            await restored(pool, played.taken[:turns], played.published)
            await replayed(pool, inert(), played.partitions, played.published)
            assert_same(await tables(pool), played.tables, f"after {turns} turns")
            again = await replayed(pool, inert(), played.partitions, played.published)
            assert_same(await tables(pool), played.tables, f"after {turns} turns, twice")
            assert (again.handled, again.parked) == (0, 0)


@pytest.mark.parametrize("commits", [False, True])
async def test_a_replay_that_is_interrupted_anywhere_is_begun_again(empty: Empty, commits: bool) -> None:
    """Its process ends before or after the commit of its first turn, then of its second one, and so on."""
    async with empty() as pool:
        played = await play(pool, 4)
    async with empty() as pool:
        await restored(pool, played.taken[:3], played.published)
        rest = {each.id for each in played.published if each.time > played.taken[2].now}
        for turns in count():
            try:
                done = await replayed(
                    pool, inert(), played.partitions, played.published, most=turns, commits=commits, expected=rest
                )
                break
            except Interrupted:
                continue
        assert turns > 3
        assert done.differs == ()
        assert_same(await tables(pool), played.tables, "after many beginnings")


async def course_of(pool: Pool, *texts: str, mended: bool = True) -> Course:
    """Return a course in which one case's events were decided, each in a turn of its own, nothing published yet."""
    course = Course(pool, Remembering(mended=mended, drawn=iter(range(1, 1000)).__next__))
    for offset, text in enumerate(texts):
        course.now += timedelta(seconds=1)
        await course.step([record(CASES[0], text, offset, course.now)])
    return course


async def test_what_is_not_published_stays_to_be_published(empty: Empty) -> None:
    """And intents that nothing tells of stay to be done, by whichever worker comes first."""
    async with empty() as pool:
        course = await course_of(pool, "loud-1")
        await course.relay()
        course.now += timedelta(seconds=1)
        await course.step([record(CASES[1], "loud-2", 1, course.now)], results=course.tasks)
        published = PublishedEvents(course.published)
    async with empty() as pool:
        service = Remembering(drawn=lambda: 7)
        done = await replayed(pool, service.service(), [course.read], published)
        assert service.acts == []
        codes = await pool.fetch("select convert_from(payload, 'utf8')::jsonb->>'code' as code from outbox order by id")
        assert [row["code"] for row in codes] == ["rung", "loud-2-7"]
        assert await pool.fetchval("select array_agg(distinct owner) from intents") == [NOBODY]
        assert await pool.fetchval("select count(*) from intents") == 2
        assert (done.handled, done.left, done.recalled) == (2, {"sign": 2}, {})
        assert dict(done.unpublished) == {IssuingRefused.TYPE: 2}


async def test_what_is_published_under_another_id_is_not_published_again(empty: Empty) -> None:
    """The act succeeded at its second attempt: the topics have its end under the id of that one."""
    async with empty() as pool:
        course = await course_of(pool, "loud-1")
        course.now += timedelta(milliseconds=1)
        await course.step(results=course.tasks)
        await course.relay()
    loud, signed = course.published
    published = PublishedEvents([loud, replace(signed, id=UUID(int=9))])
    async with empty() as pool:
        done = await replayed(pool, inert(), [course.read], published)
        assert (done.recalled, done.unpublished) == ({"sign": 1}, {})
        assert await pool.fetchval("select count(*) from outbox") == 0


class Earlier(Remembering):
    """A version that ignores what says nothing."""

    def service(self, **changes: Any) -> Any:
        made = super().service(**changes)
        return replace(made, rules=replace(made.rules, concerns=lambda data: not data.reason.startswith("quiet")))


async def test_I1_what_an_earlier_version_ignored_is_decided(empty: Empty) -> None:
    """A version that begins to handle events has its own tables brought forward: see docs/development.md."""
    async with empty() as pool:
        course = Course(pool, Earlier(drawn=lambda: 7))
        for offset, text in enumerate(("loud-1", "quiet-2", "view-3", "quiet-4")):
            course.now += timedelta(seconds=1)
            await course.step([record(CASES[0], text, offset, course.now)])
        await course.step(results=course.tasks)
        await course.relay()
        assert await pool.fetchval("select count(*) from inbox") == 2
        done = await replayed(pool, inert(), [course.read], PublishedEvents(course.published))
        assert (done.handled, done.unpublished) == (2, {})
        numbers = await pool.fetchval("select body->'numbers' from tally")
        assert [text.split("-")[0] for text in json.loads(numbers)] == ["loud", "view", "quiet", "quiet"]
        again = await replayed(pool, inert(), [course.read], PublishedEvents(course.published))
        assert again.handled == 0


async def test_B6_what_a_replay_decides_is_audited(empty: Empty) -> None:
    async with empty() as pool:
        course = await course_of(pool, "loud-1", "quiet-2")
        await course.relay()
        query = "select entry::jsonb->'happened'->>'id' as id, at from audit where entry ~ '\"event\"' order by at"
        expected = [(row["id"], row["at"]) for row in await pool.fetch(query)]
    async with empty() as pool:
        await replayed(pool, inert(), [course.read], PublishedEvents(course.published))
        assert [(row["id"], row["at"]) for row in await pool.fetch(query)] == expected


async def test_I5_facts_that_do_not_hold_park_their_record(empty: Empty) -> None:
    """They are what they are: they cannot be drawn again, and a replay does not try for ever."""
    async with empty() as pool:
        course = await course_of(pool, "loud-1")
        await course.relay()
    (event,) = course.published
    used = PublishedEvent(event.id, event.data.model_copy(update={"code": "loud-1-5"}), event.time)
    async with empty() as pool:
        good = record(CASES[1], "quiet-1", 9, NOW)
        done = await replayed(pool, inert(), [[*course.read, good]], PublishedEvents([used]))
        assert await pool.fetchval("select array_agg(reason) from parked") == ["storing-raised"]
        assert (done.parked, done.handled) == (2, 1), "tried once more, since it was handled then"


async def test_a_result_that_cannot_be_decided_stays_open(empty: Empty) -> None:
    async with empty() as pool:
        course = await course_of(pool, "loud-1")
        await course.step(results=course.tasks)
        await course.relay()
    service = inert()

    def decide(state: Tally | None, happened: Happened, known: None, now: datetime) -> Any:
        if getattr(happened, "kind", "") == "sign":
            raise ValueError
        return service.rules.decide(state, happened, known, now)

    async with empty() as pool:
        done = await replayed(
            pool,
            replace(service, rules=replace(service.rules, decide=decide)),
            [course.read],
            PublishedEvents(course.published),
        )
        assert (done.stuck, done.handled) == (1, 1)
        assert await pool.fetchval("select count(*) from intents") == 1


async def in_order(pool: Pool) -> list[Any]:
    """Return what was handled of each case, in its order, what is parked, and what is to be published."""
    queries = (
        "select key, body->>'numbers' from tally order by key",
        'select "offset", culprit, reason from parked order by seq',
        "select event_id from outbox order by id",
    )
    return [await pool.fetch(query) for query in queries]


async def test_I5_a_turn_that_was_committed_after_a_later_one_is_decided_at_its_own_moment(empty: Empty) -> None:
    """The backup has the later one alone: two workers."""
    async with empty() as pool:
        course = await course_of(pool, "quiet-0")
        course.now += timedelta(seconds=9)
        await course.step([record(CASES[0], text, at, course.now) for at, text in ((1, "quiet-1"), (2, "loud-2"))])
        course.now += timedelta(seconds=0.1)
        await course.step([record(CASES[1], "loud-3", 0, course.now, partition=1)])
        await course.relay()
        expected = await in_order(pool)
    async with empty() as pool:
        await restored(pool, [course.taken[0], course.taken[2]], PublishedEvents(course.published))
        await replayed(pool, inert(), [course.read[1:3], []], PublishedEvents(course.published))
        assert await in_order(pool) == expected


async def test_I2_a_deadline_that_was_brought_forward_is_decided_when_it_was(empty: Empty) -> None:
    """The tables have the moment for which it was set first."""
    async with empty() as pool:
        course = await course_of(pool, "loud-1")
        course.now += timedelta(seconds=1)
        await course.step()
        await course.relay()
    async with empty() as pool:
        await restored(pool, course.taken[:1], PublishedEvents(course.published))
        await pool.execute("update deadlines set at = at + interval '1 day'")
        await replayed(pool, inert(), [[]], PublishedEvents(course.published))
        assert await pool.fetchval("select body->'acted'->>0 from tally") == f"rung {course.now}"


async def test_I2_decisions_that_differ_from_the_published_ones_are_found_however_often_it_is_replayed(
    empty: Empty,
) -> None:
    """The published version and what else contradicts it are not published; what is the same is not listed."""
    async with empty() as pool:
        course = await course_of(pool, "view-1", "view-2")
        await course.relay()
    same, view = course.published
    other = replace(view, data=view.data.model_copy(update={"account_id": "another"}))
    lost = PublishedEvent(UUID(int=9), view.data.model_copy(update={"version": 9}), view.time)
    made_again = PublishedEvent(content_id(same.data), same.data, same.time)
    published = PublishedEvents([same, other, lost, made_again])
    expected = sorted(Difference(str(CASES[0]), view.data.TYPE, each.id) for each in (other, lost))
    async with empty() as pool:
        for _ in range(2):
            done = await replayed(pool, inert(), [course.read], published, expected={each.id for each in published})
            assert done.differs == tuple(expected)
            assert await pool.fetchval("select count(*) from outbox") == 0
    async with empty() as pool:
        done = await replayed(pool, inert(), [course.read], PublishedEvents([same, other]))
        assert [each.id for each in done.differs] == [other.id], "also if nothing is known of what it had published"


async def test_I8_what_contradicts_the_published_course_of_a_case_is_dropped_once_that_is_accepted(
    empty: Empty,
) -> None:
    async with empty() as pool:
        await course_of(pool, "loud-1")
        await drop_contradicting(pool, [])
        assert await pool.fetchval("select count(*) from outbox") == 1
        await drop_contradicting(pool, [Difference(str(CASES[0]), IssuingRefused.TYPE, UUID(int=1))])
        assert await pool.fetchval("select count(*) from outbox") == 0


POISON = {"value": b"{}"}


@pytest.mark.parametrize(
    "turn",
    [
        [(0, "loud-1", {}), (0, "loud-2", POISON)],
        [(0, "loud-1", {}), (0, "quiet-2", {}), (1, "loud-3", {})],
        [(1, "loud-1", {}), (0, "loud-2", POISON), (0, "loud-3", {})],
    ],
)
async def test_I5_records_of_one_turn_keep_the_order_of_their_partition(
    empty: Empty, turn: Sequence[tuple[int, str, Mapping[str, bytes]]]
) -> None:
    """Nothing tells the place of the parked and of the quiet one."""
    async with empty() as pool:
        course = Course(pool, Remembering(drawn=lambda: 7))
        await course.step(
            [replace(record(CASES[case], text, at, NOW), **made) for at, (case, text, made) in enumerate(turn)]
        )
        await course.relay()
        expected = await in_order(pool)
    async with empty() as pool:
        await replayed(pool, inert(), [course.read], PublishedEvents(course.published))
        assert await in_order(pool) == expected


def test_I5_a_record_that_is_moved_stays_before_the_one_behind_it() -> None:
    """It is added to the agenda again, after that one."""
    agenda, later = Agenda(), NOW + timedelta(seconds=1)
    first, second = (record(CASES[0], "quiet-1", offset, NOW) for offset in (7, 8))
    agenda.add(NOW, first)
    agenda.add(later, second)
    agenda.take(1)
    agenda.add(later, first)
    assert agenda.take(2) == (later, [first, second])


async def test_books_are_kept_before_anything_is_decided(empty: Empty) -> None:
    """What an interrupted replay has decided is known the next time, and its announcements are not read again."""
    async with empty() as pool:
        course = await course_of(pool, "loud-1")
        await course.relay()
    kept: list[int] = []

    async def keep(connection: Connection, published: PublishedEvents) -> None:
        kept.append(await connection.fetchval("select count(*) from inbox"))
        assert len(published) == 1

    async with empty() as pool:
        service = inert()
        service = replace(service, recall=replace(service.recall, books=keep))
        await replayed(pool, service, [course.read], PublishedEvents(course.published))
        # And afterwards: what a replay leaves is known then.
        assert kept == [0, 1]


@pytest.mark.parametrize(
    ("waits", "expected"),
    [({}, ["quiet-1", "wake", "loud-1", "quiet-2"]), ({"wake": timedelta(0)}, ["quiet-1", "loud-1", "quiet-2"])],
)
async def test_A12_a_deadline_that_waits_for_topics_comes_after_what_was_written_before_it(
    empty: Empty, waits: dict[str, timedelta], expected: list[str]
) -> None:
    """The second event was decided a minute after it was written: the deadline waited for it, and it moved it."""
    other, late = record(CASES[1], "loud-1", 0, NOW, partition=1), record(CASES[0], "quiet-2", 1, NOW, partition=1)
    async with empty() as pool:
        course = Course(pool, Remembering(drawn=lambda: 7))
        course.now = NOW + timedelta(seconds=60)
        await course.step([other])
        await course.relay()
    decided: list[str] = []
    service = inert(deadlines=Deadlines(wait_for_topics=waits))

    def decide(state: Tally | None, happened: Happened, known: None, now: datetime) -> Any:
        decided.append(getattr(happened, "kind", "") or happened.data.reason)
        return service.rules.decide(state, happened, known, now)

    async with empty() as pool:
        records = [[record(CASES[0], "quiet-1", 0, NOW)], [other, late]]
        await replayed(
            pool,
            replace(service, rules=replace(service.rules, decide=decide)),
            records,
            PublishedEvents(course.published),
        )
    assert [each for each in decided if each != "look"] == expected


class Topic:
    """A reader of the one topic that has records."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    async def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        return [TopicPartition(name, 0) for name in topics if name == self._records[0].topic]

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, len(self._records))

    async def at(self, _: object) -> dict[TopicPartition, int]:
        return {}

    async def read(self, parts: Mapping[TopicPartition, tuple[int, int]]) -> list[Record]:
        return [self._records[at] for start, end in parts.values() for at in range(start, end)]


async def forgotten(pool: Pool, records: Sequence[Record]) -> list[int]:
    """Return the offsets of the records that a restored database is to decide again."""
    found = await Comparison(inert(), Cluster("-"), Verifier({}), pool).forgotten(cast("PartReader", Topic(records)))
    return [each.offset for each in found.partitions[0]]


async def test_I1_a_second_copy_does_not_hide_what_was_written_before_it(empty: Empty) -> None:
    """The database knows the event, but was restored to before the records between its copies."""
    first, other = record(CASES[0], "quiet-1", 0, NOW), record(CASES[1], "quiet-2", 1, NOW)
    poison = replace(record(CASES[2], "quiet-3", 2, NOW), value=b"{}")
    copies = [replace(first, offset=3), replace(poison, offset=4)]
    async with empty() as pool:
        assert await forgotten(pool, [first, other, poison, *copies]) == [0, 1, 2, 3, 4]
        course = Course(pool, Remembering())
        await course.step([first])
        assert await forgotten(pool, [first, other, poison, *copies]) == [1, 2, 3, 4]
        await course.step([other, poison])
        assert await forgotten(pool, [first, other, poison, *copies]) == [3, 4]


async def test_F2_a_record_whose_writer_s_key_is_gone_is_not_forgotten_if_it_is_ignored(empty: Empty) -> None:
    made = to_record(example(IssuingRefused), source="/issuer", id=uuid4(), time=NOW)
    ignored = Record(made.topic, 0, 0, made.key, made.headers, made.value, NOW)
    reads = replace(inert(), reads=(CERTIFICATES,))
    async with empty() as pool:
        for is_relevant in (True, False):
            service = replace(reads, rules=replace(reads.rules, concerns=lambda _, it=is_relevant: it))
            comparison = Comparison(service, Cluster("-"), Verifier({}), pool)
            found = await comparison.forgotten(cast("PartReader", Topic([ignored])))
            assert found.records.total() == int(is_relevant)

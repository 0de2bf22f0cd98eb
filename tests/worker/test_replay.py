"""A replay on a real database: whatever the tables forgot is decided again as it was, and nothing is done twice."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from recycling import Recycler, schemas
from servicecert_worker.domain.published import PublishedEvents
from servicecert_worker.runtime.record import Record
from servicecert_worker.storage import database
from toy.remembering import Course, Pool, Remembering, Taken, record, replayed, restored, tables
from toy.service import MIGRATIONS

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


@pytest.mark.parametrize("seed", [1, 2, 3])
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

"""Junk is parked record by record up to a number in a minute; of more, a turn parks all of a partition as one (F5)."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from identities import InMemory
from servicecert_schemas.topics import APPLICATIONS
from servicecert_worker.core.record import MOST_A_MINUTE, Arrival, Junk, Poison, Record, arrive, is_junk

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
VERIFIER = InMemory().verifier


def junk(offset: int, partition: int = 0) -> Arrival:
    return arrive(Record(APPLICATIONS.name, partition, offset, b"k", (), b"v", NOW), VERIFIER)


def held_up(offset: int) -> Arrival:
    """Poison with the key of a case, behind which later events wait (I5)."""
    return arrive(Record(APPLICATIONS.name, 0, offset, str(uuid4()).encode(), (), b"v", NOW), VERIFIER)


def places(arrivals: list[Arrival]) -> list[tuple[int, int, int]]:
    return [(each.record.partition, each.record.offset, each.record.next_offset) for each in arrivals]


def test_f5_junk_beyond_the_most_of_a_minute_is_one_with_a_range() -> None:
    joining = Junk()
    few = [junk(offset) for offset in range(MOST_A_MINUTE)]
    assert joining.joined(few, 100.0) == few
    (one,) = joining.joined([junk(offset) for offset in range(70, 90)], 101.0)
    assert isinstance(one.what, Poison)
    assert (places([one]), one.what.reason, one.key) == ([(0, 70, 90)], "junk", f"{APPLICATIONS.name}/0/70")
    assert (one.record.key, one.record.value, one.record.headers) == (None, None, ())
    (again,) = joining.joined([junk(offset) for offset in range(70, 91)], 102.0)
    assert again.id != one.id
    assert joining.joined(few, 161.0) == few


def test_f5_each_partition_has_its_own_number_and_nothing_else_is_joined() -> None:
    joining = Junk()
    joining.joined([junk(offset) for offset in range(MOST_A_MINUTE)], 100.0)
    waiting = held_up(61)
    assert not is_junk(waiting)
    arrivals = [junk(60), waiting, junk(62), junk(5, partition=1), junk(63)]
    assert places(joining.joined(arrivals, 101.0)) == [(0, 60, 64), (0, 61, 62), (1, 5, 6)]


def test_f5_what_the_reader_has_joined_may_be_joined_on() -> None:
    joining = Junk()
    joining.joined([junk(offset) for offset in range(MOST_A_MINUTE)], 100.0)
    batch = Record(APPLICATIONS.name, 0, 70, None, (), None, NOW, last=99)
    assert places(joining.joined([junk(60), arrive(batch, VERIFIER)], 101.0)) == [(0, 60, 100)]

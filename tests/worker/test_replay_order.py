"""When a replay decides what: at the known moments, the rest between its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from servicecert_worker.core.decider import Due
from servicecert_worker.core.record import Record
from servicecert_worker.replay.order import SOON, Agenda, Read, moments

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def after(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def record(offset: int, written: int) -> Record:
    return Record("applications", 0, offset, b"k", (), b"{}", after(written))


def placed(written: Sequence[int], known: Sequence[int | None], since: int = 0) -> list[int]:
    """Return the seconds at which records are decided that were written then, and of which some moments are known."""
    records = [record(offset, seconds) for offset, seconds in enumerate(written)]
    at = [None if seconds is None else after(seconds) for seconds in known]
    nothing = [None] * len(records)
    return [round((moment - NOW).total_seconds()) for moment in moments(records, at, after(since), nothing)]


def test_a_record_without_a_known_moment_is_decided_when_it_was_written() -> None:
    assert placed([3, 5, 9], [None, None, None]) == [3, 5, 9]


def test_or_between_its_neighbours() -> None:
    assert placed([1, 2, 3, 99], [10, None, 20, None]) == [10, 10, 20, 99]
    assert placed([50, 60, 7], [None, 30, None]) == [30, 30, 30]


def test_a_record_is_never_decided_before_an_earlier_one_of_its_partition() -> None:
    """A clock that went back between two workers does not reorder a partition."""
    assert placed([1, 2, 3], [20, 10, None]) == [20, 20, 20]


@given(
    st.lists(
        st.tuples(st.integers(0, 1_000), st.one_of(st.none(), st.integers(0, 50))),
        max_size=30,
    )
)
def test_the_order_is_kept_and_known_moments_are_not_changed(drawn: list[tuple[int, int | None]]) -> None:
    """Known moments never fall within a partition: each is given as the seconds since the one before."""
    written = [seconds for seconds, _ in drawn]
    sums = list(accumulate((step or 0 for _, step in drawn), initial=0))[1:]
    known = [None if step is None else total for (_, step), total in zip(drawn, sums, strict=True)]
    decided = placed(written, known)
    assert all(one <= next_ for one, next_ in pairwise(decided))
    assert all(at is None or at == moment for at, moment in zip(known, decided, strict=True))
    for place, moment in enumerate(decided):
        if known[place] is None:
            before = [at for at in known[:place] if at is not None]
            later = [at for at in known[place:] if at is not None]
            assert max(before, default=0) <= moment
            assert moment <= min(later, default=max(moment, 0))


def due(kind: str) -> Due:
    return Due(uuid4(), "k", kind, NOW)


def test_an_agenda_gives_what_is_due_at_one_moment_in_the_order_of_its_arrival() -> None:
    agenda = Agenda()
    assert agenda.next is None
    items = [due(kind) for kind in "abcd"]
    for item, at in zip(items, (2, 1, 2, 1), strict=True):
        agenda.add(after(at), item)
    assert agenda.next == after(1)
    assert agenda.take(10) == (after(1), [items[1], items[3]])
    assert agenda.take(1) == (after(2), [items[0]])
    assert agenda.take(1) == (after(2), [items[2]])
    assert agenda.next is None


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(1, 5))
def test_an_agendas_moments_never_fall_and_nothing_is_lost(seconds: list[int], most: int) -> None:
    agenda = Agenda()
    for each in seconds:
        agenda.add(after(each), record(each, each))
    taken: list[tuple[datetime, int]] = []
    while agenda.next is not None:
        at, items = agenda.take(most)
        assert 0 < len(items) <= most
        taken += [(at, each.offset) for each in items if isinstance(each, Record)]
    assert taken == [(after(each), each) for each in sorted(seconds)]


def test_the_known_past_comes_first() -> None:
    """What is not decided yet came after the last decision that the tables know."""
    assert placed([1, 2, 9], [None, 5, None], since=4) == [4, 5, 9]


def test_a_deadline_waits_until_all_that_was_written_before_it_is_decided() -> None:
    read = Read([(after(60), record(0, 0)), (after(2), record(1, 1)), (after(90), record(2, 35))])
    assert read.when(after(1), timedelta(seconds=20)) == after(1), "nothing was written so long before"
    assert read.when(after(20), timedelta(seconds=20)) == after(90), "until then a later one had to be decided, too"
    assert read.when(after(20), timedelta(seconds=26)) == after(20)
    assert read.when(after(26), timedelta(seconds=26)) == after(60)
    assert read.when(after(95), timedelta(0)) == after(95)


def test_a_record_comes_after_a_decision_that_it_would_have_changed() -> None:
    """But not after the next one of its partition that is known."""
    records = [record(0, 3), record(1, 4)]
    assert list(moments(records, [None, None], NOW, [after(9), None])) == [after(9) + SOON, after(9) + SOON]
    assert list(moments(records, [None, after(6)], NOW, [after(9), None])) == [after(6), after(6)]

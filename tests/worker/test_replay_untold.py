"""By when a record of which nothing tells was decided."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from servicecert_worker.core.record import Record
from servicecert_worker.replay.untold import Untold

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LAST = NOW + timedelta(seconds=9)
RECORDS = [Record("topic", 3, offset, b"key", (), b"value", NOW) for offset in range(5)]
IDS = [UUID(int=number) for number in (1, 2, 3, 2, 5)]


def after(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def noted() -> Untold:
    """Of the third record something tells; the fourth is a copy of the second."""
    untold = Untold()
    untold.note(RECORDS, IDS, [None, None, after(4), None, None], LAST)
    return untold


def test_it_was_decided_with_the_next_one_that_is_told_of_or_last() -> None:
    untold = noted()
    assert [untold.has(record) for record in RECORDS] == [True, True, False, True, True]
    assert untold.may_be_later(IDS[0], after(3))
    assert not untold.may_be_later(IDS[0], after(4))
    assert not untold.may_be_later(IDS[2], NOW)
    assert untold.may_be_later(IDS[4], after(8))
    assert not untold.may_be_later(IDS[4], LAST)


def test_the_first_of_two_copies_says_by_when() -> None:
    assert not noted().may_be_later(IDS[1], after(4))


def test_what_stands_together_moves_together() -> None:
    untold = noted()
    assert [untold.moved_to(record, NOW) for record in RECORDS] == [None] * 5
    untold.is_late(RECORDS[0])
    assert [untold.moved_to(record, NOW) for record in RECORDS] == [after(4), after(4), None, None, None]
    assert untold.moved_to(RECORDS[0], after(4)) is None
    untold.is_late(RECORDS[4])
    assert [untold.moved_to(record, NOW) for record in RECORDS[3:]] == [LAST, LAST]

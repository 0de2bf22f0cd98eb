"""A13: the delivery clock."""

from datetime import UTC, date, datetime

import pytest
from servicecert_intake.domain.deadlines import due_day, due_time, is_weekday
from servicecert_pki.validity import day_of


@pytest.mark.parametrize(
    ("complete", "due"),
    [
        (date(2026, 4, 2), date(2026, 4, 13)),
        (date(2026, 6, 18), date(2026, 6, 26)),
        (date(2026, 12, 23), date(2027, 1, 4)),
        (date(2026, 11, 24), date(2026, 12, 1)),
        (date(2026, 11, 28), date(2026, 12, 4)),
        (date(2026, 11, 30), date(2026, 12, 7)),
    ],
)
def test_A13_delivery_is_due_on_the_fifth_weekday_after(complete, due):
    assert due_day(complete) == due


@pytest.mark.parametrize(
    "day", ["2026-01-06", "2026-05-01", "2026-05-14", "2026-06-19", "2026-12-24", "2027-03-26", "2026-11-28"]
)
def test_A13_holidays_eves_and_weekends_are_no_weekdays(day):
    assert not is_weekday(date.fromisoformat(day))


@pytest.mark.parametrize("day", ["2026-12-31", "2026-04-30", "2026-11-24", "2027-12-07"])
def test_A13_other_days_are_weekdays(day):
    assert is_weekday(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("complete", "due"),
    [
        # 23:30 and 00:30 in Helsinki, in winter and in summer.
        (datetime(2026, 11, 24, 21, 30, tzinfo=UTC), datetime(2026, 12, 1, 21, 59, 59, tzinfo=UTC)),
        (datetime(2026, 11, 24, 22, 30, tzinfo=UTC), datetime(2026, 12, 2, 21, 59, 59, tzinfo=UTC)),
        (datetime(2026, 8, 3, 20, 30, tzinfo=UTC), datetime(2026, 8, 10, 20, 59, 59, tzinfo=UTC)),
        (datetime(2026, 8, 3, 21, 30, tzinfo=UTC), datetime(2026, 8, 11, 20, 59, 59, tzinfo=UTC)),
        # Over the end of summer time.
        (datetime(2026, 10, 22, 9, 0, tzinfo=UTC), datetime(2026, 10, 29, 21, 59, 59, tzinfo=UTC)),
    ],
)
def test_A13_it_is_due_at_the_end_of_the_day_in_helsinki(complete, due):
    assert due_time(complete) == due


def test_A13_a_day_is_that_of_helsinki():
    assert day_of(datetime(2026, 11, 24, 22, 0, tzinfo=UTC)) == date(2026, 11, 25)

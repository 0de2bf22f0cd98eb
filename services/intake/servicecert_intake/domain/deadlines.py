"""Days, nights, months and due times in Europe/Helsinki, by Finnish weekdays (A11 to A13)."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, islice
from uuid import UUID

from dateutil.easter import easter
from dateutil.relativedelta import relativedelta
from servicecert_pki.validity import day_of, in_helsinki

DELIVERY_WEEKDAYS = 5
PENDING_MONTHS = 6

# The public holidays that are not always on a weekend, and Christmas Eve.
_HOLIDAYS = {(1, 1), (1, 6), (5, 1), (12, 6), (12, 24), (12, 25), (12, 26)}
# Good Friday, Easter Monday and Ascension Day.
_DAYS_FROM_EASTER = {-2, 1, 39}
_END_OF_DAY = time(23, 59, 59)
_NIGHT_BEGINS = time(2)
_NIGHT_MINUTES = 120


def is_weekday(day: date) -> bool:
    """Return whether `day` is Monday to Friday and no public holiday, Midsummer Eve or Christmas Eve."""
    is_midsummer_eve = day.month == 6 and 19 <= day.day <= 25 and day.weekday() == 4
    is_holiday = (day.month, day.day) in _HOLIDAYS or (day - easter(day.year)).days in _DAYS_FROM_EASTER
    return day.weekday() < 5 and not is_holiday and not is_midsummer_eve


@lru_cache(maxsize=64)
def due_day(complete: date) -> date:
    """Return the fifth weekday after the day on which an application became complete."""
    later = (complete + timedelta(days=number) for number in count(1))
    return next(islice(filter(is_weekday, later), DELIVERY_WEEKDAYS - 1, None))


def due_time(complete: datetime) -> datetime:
    """Return the last second, in UTC, of the fifth weekday after the day of `complete`. All of it counts (A13)."""
    return in_helsinki(due_day(day_of(complete)), _END_OF_DAY)


def months_after(day: date, months: int) -> date:
    """Return the same day of the month `months` later, or that month's last day (A12)."""
    later: date = day + relativedelta(months=months)
    return later


def lapse_time(submitted: datetime) -> datetime:
    """Return the last second, in UTC, of the day 6 months after submission. All of it counts, then it lapses (A12)."""
    return in_helsinki(months_after(day_of(submitted), PENDING_MONTHS), _END_OF_DAY)


def next_night(case_id: UUID, now: datetime) -> datetime:
    """Return the case's minute of the next night, in UTC. Cases are spread over two hours from 02:00 in Helsinki."""
    minutes, today = timedelta(minutes=case_id.int % _NIGHT_MINUTES), day_of(now)
    nights = (in_helsinki(day, _NIGHT_BEGINS) + minutes for day in (today, today + timedelta(days=1)))
    return next(night for night in nights if night > now)

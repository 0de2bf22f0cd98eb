"""A12, A13, A14, B1: moments around every border of time, from intake that accepts to the issuer that grants.

The borders are the midnights of Helsinki and of UTC, the changes of daylight saving time, ends of months, leap days.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import assume, example, given
from hypothesis import strategies as st
from journeys.judged.caseworker import Caseworker, known_to
from journeys.judged.table import By, Step
from servicecert_intake.domain.deadlines import is_weekday
from servicecert_intake.service import open_service
from servicecert_intake.settings import Settings
from servicecert_issuer.domain.examine import IssuingContext, contents_of
from servicecert_pki.certificate import Contents
from servicecert_pki.profiles import Profiles, load_profiles
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import ApplicationAccepted

YEARS = range(2024, 2033)
MICROSECOND, SECOND, DAY = timedelta.resolution, timedelta(seconds=1), timedelta(days=1)
BESIDE = (-DAY, -SECOND, -SECOND / 2, -MICROSECOND, timedelta(), MICROSECOND, SECOND / 2, SECOND, DAY)


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _odd_days(year: int) -> list[date]:
    """Return the days of a year at which one of the rules has an edge."""
    end_of_february = date(year, 2, monthrange(year, 2)[1])
    ends = [date(year, month, monthrange(year, month)[1]) for month in (1, 4, 8, 12)]
    return [end_of_february, end_of_february + DAY, _last_sunday(year, 3), _last_sunday(year, 10), *ends]


days = st.sampled_from([day for year in YEARS for day in _odd_days(year)]) | st.dates(
    date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31)
)
hours = st.sampled_from([time(0, tzinfo=HELSINKI), time(0, tzinfo=UTC), time(1, tzinfo=UTC)])
beside = st.sampled_from(BESIDE) | st.timedeltas(-7 * DAY, 7 * DAY)
moments = st.builds(lambda day, hour, by: datetime.combine(day, hour).astimezone(UTC) + by, days, hours, beside)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def intake() -> Any:
    async with open_service(Settings(), None) as opened:
        yield opened, known_to(opened)


@pytest.fixture(scope="module")
def issuer() -> IssuingContext:
    """An issuer with the shipped profiles and a CA that was always there; nothing is signed."""
    ca: Any = SimpleNamespace(
        issuer_for=lambda *_: SimpleNamespace(id="ca", not_before=datetime(2020, 1, 1, tzinfo=UTC))
    )
    return IssuingContext(ca, Profiles(load_profiles().by_type), "http://crl.example.fi", lambda *_: None, 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), HELSINKI).astimezone(UTC)


def _day_of(moment: datetime) -> date:
    return moment.astimezone(HELSINKI).date()


def _borders(first: datetime, last: datetime) -> list[datetime]:
    """Return the two moments and all midnights between them, and the microseconds before these."""
    between = [first.date() + timedelta(days=number) for number in range((last - first).days + 3)]
    midnights = [it for day in between for it in (_midnight(day), datetime.combine(day, time(), UTC))]
    moments = (first, last, *midnights, *(it - MICROSECOND for it in midnights))
    return sorted(it for it in moments if first <= it <= last)


def _length(contents: Contents) -> int:
    length = contents.not_after + SECOND - contents.not_before
    assert length % DAY == timedelta()
    return length.days


def _signed(issuer: IssuingContext, application: ApplicationAccepted, at: datetime) -> Contents:
    return contents_of(issuer, application, 1 << 126, at)


@given(sent=moments, asked=st.integers(728, 733), ahead=st.none() | st.integers(-1, 61), later=st.floats(0, 1))
@example(sent=datetime(2026, 3, 1, 10, tzinfo=UTC), asked=731, ahead=None, later=0.0)
@example(sent=datetime(2026, 3, 1, tzinfo=UTC), asked=731, ahead=0, later=0.0)
@example(sent=datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), asked=731, ahead=None, later=0.0)
@example(sent=datetime(2026, 2, 20, 10, tzinfo=UTC), asked=731, ahead=9, later=0.0)
@example(sent=datetime(2028, 2, 24, 10, tzinfo=UTC), asked=731, ahead=None, later=1.0)
def test_A13_A14_B1_intake_accepts_what_the_issuer_grants_until_it_is_due_and_nothing_else(
    intake: Any, issuer: IssuingContext, sent: datetime, asked: int, ahead: int | None, later: float
) -> None:
    start = None if ahead is None else _day_of(sent) + timedelta(days=ahead)
    worker = Caseworker(*intake)
    worker.judge(Step(change={"validity_days": asked, "start_date": start}), "server", sent)
    assert worker.view is not None
    lacks = {each.code: each for each in worker.view.deficiencies}
    too_far = ahead is not None and not 0 <= ahead <= 60
    assert bool(lacks.keys() & {"start-date-past", "start-date-too-late"}) == too_far
    if too_far:
        return
    worker_of_default = Caseworker(*intake)
    worker_of_default.judge(Step(change={"start_date": start}), "server", sent)
    application = worker_of_default.accepted
    assert application is not None
    due = application.due
    longest = {at: _length(_signed(issuer, application, at)) for at in _borders(sent, due)}
    if asked > min(longest.values()):
        assert lacks.keys() == {"validity-too-long"}
        assert f"{min(longest.values())} days" in lacks["validity-too-long"].texts.en
        return
    assert worker.accepted is not None
    assert worker.accepted.validity_days == asked
    for at in (*longest, sent + (due - sent) * later):
        contents = _signed(issuer, worker.accepted, at)
        assert _length(contents) == asked
        assert contents.not_before == (
            at.replace(microsecond=0) if start is None else max(at.replace(microsecond=0), _midnight(start))
        )
    late = due + SECOND + timedelta(days=400) * later
    assert _length(_signed(issuer, worker.accepted, late)) == min(asked, _length(_signed(issuer, application, late)))


def _six_months_later(day: date) -> date:
    """Return the last day of a case, counted by hand."""
    year, month = (day.year, day.month + 6) if day.month <= 6 else (day.year + 1, day.month - 6)
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _fifth_weekday(day: date) -> date:
    left = 5
    while left:
        day += DAY
        left -= is_weekday(day)
    return day


@given(submitted=moments, beside=st.sampled_from(BESIDE))
@example(submitted=datetime(2027, 8, 31, 20, 59, 59, 999_999, tzinfo=UTC), beside=-MICROSECOND)
@example(submitted=datetime(2027, 8, 31, 21, tzinfo=UTC), beside=-MICROSECOND)
@example(submitted=datetime(2026, 8, 31, 12, tzinfo=UTC), beside=timedelta())
@example(submitted=datetime(2026, 9, 28, 12, tzinfo=UTC), beside=-SECOND / 2)
@example(submitted=datetime(2027, 4, 30, 21, tzinfo=UTC), beside=-MICROSECOND)
def test_A12_A13_the_last_day_counts_to_its_last_microsecond_and_the_due_day_is_the_fifth_weekday(
    intake: Any, submitted: datetime, beside: timedelta
) -> None:
    end = _midnight(_six_months_later(_day_of(submitted)) + DAY)
    sent = end + beside
    assume(sent > submitted)
    worker = Caseworker(*intake)
    worker.judge(Step(request="none"), "server", submitted)
    assert worker.view is not None
    assert (worker.view.state, worker.view.lapses) == (CaseState.WAITING_FOR_CSR, end - SECOND)
    handled = max(sent, min(sent, end) + timedelta(minutes=59))
    worker.judge(Step(does="attaches", by=By(), handled=handled), "server", sent)
    if beside >= timedelta():
        assert worker.view.state is CaseState.LAPSED
        return
    assert worker.view.state is CaseState.ACCEPTED
    assert worker.accepted is not None
    due = worker.accepted.due.astimezone(HELSINKI)
    assert (due.date(), due.time()) == (_fifth_weekday(_day_of(sent)), time(23, 59, 59))


@given(submitted=moments)
def test_A12_a_case_lapses_an_hour_after_its_last_day(intake: Any, submitted: datetime) -> None:
    lapse = _midnight(_six_months_later(_day_of(submitted)) + DAY) + timedelta(hours=1)
    states = []
    for at in (lapse - MICROSECOND, lapse):
        worker = Caseworker(*intake)
        worker.judge(Step(request="none"), "server", submitted)
        worker.judge(Step(does="waits"), "server", at)
        assert worker.view is not None
        states.append(worker.view.state)
    assert states == [CaseState.WAITING_FOR_CSR, CaseState.LAPSED]

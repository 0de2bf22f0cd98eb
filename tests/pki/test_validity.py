from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.profile import LongestValidity, Profile
from servicecert_pki.profiles import Profiles
from servicecert_pki.validity import HELSINKI, ValidityRefused, granted, most_days, start_of_validity, validity

NOW = datetime(2026, 11, 24, 10, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture(scope="session")
def profile(profiles: Profiles) -> Profile:
    return profiles["server"]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-24T10:00:00", "2028-11-24T09:59:59"),
        ("2027-01-01T00:00:00", "2028-12-31T23:59:59"),
        ("2028-02-29T12:00:00", "2030-02-28T11:59:59"),
        ("2026-02-28T12:00:00", "2028-02-28T11:59:59"),
        ("2026-03-01T00:00:00", "2028-02-29T23:59:59"),
        ("2048-06-01T00:00:00", "2050-05-31T23:59:59"),
    ],
)
def test_B1_two_years_count_the_last_second(profile: Profile, start: str, end: str) -> None:
    given_start, expected = (datetime.fromisoformat(it).replace(tzinfo=UTC) for it in (start, end))
    valid = validity(profile, given_start)
    assert (valid.not_before, valid.not_after) == (given_start, expected)


def test_B1_days_are_counted_inclusively_and_no_more_than_the_limit(profile: Profile) -> None:
    start = datetime(2026, 11, 24, 10, 0, 0, 999_999, tzinfo=UTC)
    assert validity(profile, start, 1).not_after == datetime(2026, 11, 25, 9, 59, 59, tzinfo=UTC)
    assert validity(profile, start, 731).not_after == validity(profile, start).not_after
    with pytest.raises(ValidityRefused, match="at most 731 days"):
        validity(profile, start, 732)
    for none in (0, -1):
        with pytest.raises(ValidityRefused, match="at least one day"):
            validity(profile, start, none)


def test_B1_a_time_of_another_zone_is_the_same_second(profile: Profile) -> None:
    helsinki = timezone(timedelta(hours=2))
    valid = validity(profile, datetime(2027, 1, 1, 1, tzinfo=helsinki))
    assert valid.not_before == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_B1_a_stricter_limit_holds_from_its_day(profile: Profile) -> None:
    strict = Profile(
        **{**vars(profile), "longest_validity": (LongestValidity(2), LongestValidity(1, date(2020, 9, 1)))}
    )
    assert validity(strict, datetime(2020, 8, 31, 20, 59, 59, tzinfo=UTC)).not_after.year == 2022
    assert validity(strict, datetime(2020, 9, 1, tzinfo=UTC)).not_after.year == 2021
    midnight = datetime(2020, 9, 1, tzinfo=HELSINKI)
    assert validity(strict, midnight).not_after == datetime(2021, 8, 31, 20, 59, 59, tzinfo=UTC)


@given(
    st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2100-01-01"), timezones=st.just(UTC)),
    st.integers(1, 800),
)
def test_B1_no_validity_is_longer_than_the_longest(profile: Profile, start: datetime, days: int) -> None:
    longest = validity(profile, start)
    try:
        granted = validity(profile, start, days)
    except ValidityRefused:
        assert start + timedelta(days=days) - timedelta(seconds=1) > longest.not_after
        return
    assert granted.not_after <= longest.not_after
    assert granted.not_after - granted.not_before + timedelta(seconds=1) == timedelta(days=days)


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        (None, datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)),
        (date(2026, 12, 24), datetime(2026, 12, 23, 22, tzinfo=UTC)),
        (date(2027, 6, 1), datetime(2027, 5, 31, 21, tzinfo=UTC)),
    ],
)
def test_A14_start_date_is_midnight_in_helsinki(profile: Profile, asked: date | None, begins: datetime) -> None:
    assert start_of_validity(profile, NOW, asked) == begins


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        # The night in which the clock is put forward, and the one in which it is put back.
        (date(2027, 3, 28), datetime(2027, 3, 27, 22, tzinfo=UTC)),
        (date(2027, 3, 29), datetime(2027, 3, 28, 21, tzinfo=UTC)),
        (date(2027, 10, 31), datetime(2027, 10, 30, 21, tzinfo=UTC)),
        (date(2027, 11, 1), datetime(2027, 10, 31, 22, tzinfo=UTC)),
    ],
)
def test_A14_start_date_beside_daylight_saving(profile: Profile, asked: date, begins: datetime) -> None:
    assert start_of_validity(profile, NOW, asked) == begins


def test_A14_a_certificate_dated_back_does_not_begin_before_the_day_asked_for(profile: Profile) -> None:
    hour = timedelta(hours=1)
    early = Profile(**{**vars(profile), "backdating": hour})
    midnight = datetime(2026, 11, 24, tzinfo=HELSINKI)
    starts = [start_of_validity(early, midnight + after, date(2026, 11, 24)) for after in (-hour, hour / 2, 2 * hour)]
    assert starts == [midnight, midnight, midnight + hour]


def test_B1_the_most_days_fit_on_every_day_between(profile: Profile) -> None:
    """A stricter limit falls into the time, and a leap day after it: the least is neither of first nor of last."""
    limits = (LongestValidity(2), LongestValidity(1, date(2027, 2, 24)))
    strict = Profile(**{**vars(profile), "longest_validity": limits})
    first, last = datetime(2027, 2, 23, 12, tzinfo=UTC), datetime(2027, 3, 1, 12, tzinfo=UTC)
    assert [validity(strict, each).days for each in (first, last)] == [731, 366]
    assert most_days(strict, None, first, last) == 365
    assert most_days(strict, date(2027, 3, 2), first, last) == 366
    assert most_days(profile, None, first, last) == 731


def test_B1_a_number_that_was_never_possible_is_refused_at_the_signing(profile: Profile) -> None:
    signed, due = datetime(2028, 3, 1, tzinfo=UTC), datetime(2028, 2, 25, 21, 59, 59, tzinfo=UTC)
    assert granted(profile, signed, due, days=731).days == 730
    with pytest.raises(ValidityRefused, match="at most 731 days"):
        granted(profile, signed, due, days=732)

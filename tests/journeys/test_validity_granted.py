"""A14, B1: the issuer can grant every validity that intake accepts, at any time until delivery is due."""

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from servicecert_intake.domain.deadlines import due_day
from servicecert_intake.domain.rules.validity import validity_days
from servicecert_issuer.domain.examine import start_of_validity
from servicecert_pki.profile import Profile
from servicecert_pki.profiles import load_profiles
from servicecert_pki.validity import HELSINKI, validity


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profiles()["server"]


def longest_accepted(profile: Profile, day: date, start: date | None) -> int:
    """Return the largest number of days that intake accepts on a day, as its deficiency text says."""
    (lack,) = validity_days(SimpleNamespace(start_date=start, validity_days=10_000), profile, day)
    return next(int(word) for word in lack.texts.en.split() if word.isdigit())


@given(
    day=st.dates(date(2021, 1, 1), date(2040, 1, 1)),
    ahead=st.none() | st.integers(0, 60),
    later=st.floats(0, 1, exclude_max=True),
)
@example(day=date(2026, 2, 20), ahead=9, later=0.0)
@example(day=date(2026, 3, 1), ahead=None, later=0.0)
@example(day=date(2026, 3, 1), ahead=0, later=0.0)
@example(day=date(2028, 2, 24), ahead=None, later=0.99)
def test_A14_B1_what_is_accepted_is_granted(profile: Profile, day: date, ahead: int | None, later: float) -> None:
    start = None if ahead is None else day + timedelta(days=ahead)
    most = longest_accepted(profile, day, start)
    first, end = (
        datetime.combine(each, time(), HELSINKI).astimezone(UTC) for each in (day, due_day(day) + timedelta(days=1))
    )
    begins = start_of_validity(SimpleNamespace(start_date=start), first + (end - first) * later, profile.backdating)
    assert validity(profile, begins, most).not_after <= validity(profile, begins).not_after
    assert most >= 730

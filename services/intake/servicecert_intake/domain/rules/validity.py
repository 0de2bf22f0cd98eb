"""The certificate's start and length of validity (A14, B1)."""

from datetime import UTC, date, datetime, time, timedelta

from servicecert_pki.profile import Profile
from servicecert_pki.validity import HELSINKI, validity
from servicecert_schemas.application import Form

from ..deadlines import due_day
from . import deficiencies as lacking
from .application import Application
from .deficiencies import Deficiencies

LATEST_START = timedelta(days=60)


def start_date(form: Form, day: date) -> Deficiencies:
    """Require that a requested start date is today or at most 60 days ahead (A14)."""
    if form.start_date is None:
        return ()
    if form.start_date < day:
        return (lacking.START_DATE_PAST.deficiency(),)
    if form.start_date > day + LATEST_START:
        return (lacking.START_DATE_TOO_LATE.deficiency(days=str(LATEST_START.days)),)
    return ()


def validity_days(form: Form, profile: Profile, day: date) -> Deficiencies:
    """Require that the requested validity is no longer than the type allows (B1). An invalid start date is ignored.

    The number of days in two years depends on the start: an accepted length is valid for every possible start.
    """
    if form.validity_days is None:
        return ()
    most = min(_longest(profile, start) for start in _possible_starts(form, profile, day))
    return () if form.validity_days <= most else (lacking.VALIDITY_TOO_LONG.deficiency(days=str(most)),)


def _longest(profile: Profile, start: datetime) -> int:
    """Return the longest validity of the type in days."""
    longest = validity(profile, start)
    return (longest.not_after - longest.not_before).days + 1


def _possible_starts(form: Form, profile: Profile, day: date) -> tuple[datetime, datetime]:
    """Return first and last possible start: today, backdated, until delivery is due (A13), or a later requested day.

    The number of days changes at most once between the two.
    """
    first, last = _start_of(day) - profile.backdating, _start_of(due_day(day) + timedelta(days=1))
    if form.start_date is None or form.start_date <= day or start_date(form, day):
        return first, last
    requested = _start_of(form.start_date)
    return requested, max(requested, last)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), HELSINKI).astimezone(UTC)


def follows(application: Application) -> Deficiencies:
    """Require that the followed certificate is one of the account's (A14). Another account's is not disclosed."""
    return (lacking.FOLLOWS_UNKNOWN.deficiency(),) if application.follows_unknown else ()

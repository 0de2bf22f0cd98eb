"""When the certificate starts and how long it is valid (A14, B1)."""

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
    """A start date that was asked for is today or at most 60 days ahead (A14)."""
    if form.start_date is None:
        return ()
    if form.start_date < day:
        return (lacking.START_DATE_PAST.deficiency(),)
    if form.start_date > day + LATEST_START:
        return (lacking.START_DATE_TOO_LATE.deficiency(days=str(LATEST_START.days)),)
    return ()


def validity_days(form: Form, profile: Profile, day: date) -> Deficiencies:
    """A longer validity than the type has is refused (B1). A start date that cannot be is counted as none.

    How many days two years are depends on when they begin: what is accepted can be granted whenever the certificate is made in time.
    """
    if form.validity_days is None:
        return ()
    most = min(_longest(profile, begins) for begins in _beginnings(form, profile, day))
    return () if form.validity_days <= most else (lacking.VALIDITY_TOO_LONG.deficiency(days=str(most)),)


def _longest(profile: Profile, begins: datetime) -> int:
    """How many days a certificate of the type is valid at most."""
    longest = validity(profile, begins)
    return (longest.not_after - longest.not_before).days + 1


def _beginnings(form: Form, profile: Profile, day: date) -> tuple[datetime, datetime]:
    """The first and the last moment at which the certificate can begin: when it is made, until delivery is due (A13), or on a later day that was asked for.

    The number of days changes once at most between the two.
    """
    first, last = _begin_of(day) - profile.backdating, _begin_of(due_day(day) + timedelta(days=1))
    if form.start_date is None or form.start_date <= day or start_date(form, day):
        return first, last
    asked = _begin_of(form.start_date)
    return asked, max(asked, last)


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), HELSINKI).astimezone(UTC)


def follows(application: Application) -> Deficiencies:
    """The certificate that an application follows is one of the account's (A14). Of another account's nothing is told."""
    return (lacking.FOLLOWS_UNKNOWN.deficiency(),) if application.follows_unknown else ()

"""When the certificate starts and how long it is valid (A14, B1)."""

from datetime import UTC, date, datetime, time, timedelta

from servicecert_pki.profiles import Profile
from servicecert_pki.validity import validity
from servicecert_schemas.application import Form

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
    """A longer validity than the type has is refused (B1). A start date that cannot be is counted as today."""
    if form.validity_days is None:
        return ()
    start = day if form.start_date is None or start_date(form, day) else form.start_date
    longest = validity(profile, datetime.combine(start, time(), UTC))
    most = (longest.not_after - longest.not_before).days + 1
    return () if form.validity_days <= most else (lacking.VALIDITY_TOO_LONG.deficiency(days=str(most)),)


def follows(application: Application) -> Deficiencies:
    """The certificate that an application follows is one of the account's (A14). Of another account's nothing is told."""
    return (lacking.FOLLOWS_UNKNOWN.deficiency(),) if application.follows_unknown else ()

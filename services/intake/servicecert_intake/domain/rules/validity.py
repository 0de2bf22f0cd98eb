"""The certificate's start and length of validity (A14, B1)."""

from datetime import date, datetime, timedelta

from servicecert_pki.profile import Profile
from servicecert_pki.validity import most_days
from servicecert_schemas.application import Form

from ..deadlines import day_of, due_time
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


def validity_days(form: Form, profile: Profile, sent: datetime) -> Deficiencies:
    """Require that the requested validity can be granted whenever the certificate is signed until it is due (B1, A13).

    An invalid start date is ignored.
    """
    if form.validity_days is None:
        return ()
    start = None if start_date(form, day_of(sent)) else form.start_date
    most = most_days(profile, start, sent, due_time(sent))
    return () if form.validity_days <= most else (lacking.VALIDITY_TOO_LONG.deficiency(days=str(most)),)


def follows(application: Application) -> Deficiencies:
    """Require that the followed certificate is one of the account's (A14). Another account's is not disclosed."""
    unknown = bool(application.form.follows) and application.earlier is None
    return (lacking.FOLLOWS_UNKNOWN.deficiency(),) if unknown else ()

"""The validity of a certificate (A14, B1), for intake that accepts a number of days and the issuer that grants it.

Years are counted in UTC, as relying parties count them. The day from which a limit applies is a day in Helsinki, like
every day in the rules (A12): it begins at midnight there, when it is still the day before in UTC. So the longest
validity in days depends on the second at which a certificate starts: two years are 731 days where a leap day is in
them, else 730. Unless a later day is asked for, that second is known only at the signing.

The rule: a number of days is accepted if it can be granted whenever the certificate is signed, from when the
application was sent until delivery is due (A13). What was accepted is granted. Only a certificate that is signed after
it was due, when the number has become too long, is valid as long as its type allows then; its case says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from .profile import Profile

HELSINKI = ZoneInfo("Europe/Helsinki")

_SECOND = timedelta(seconds=1)


def day_of(instant: datetime) -> date:
    """Return the date of a moment in Finland."""
    return instant.astimezone(HELSINKI).date()


def in_helsinki(day: date, at: time = time()) -> datetime:
    """Return a moment of a day in Finland, in UTC: by default the one at which the day begins."""
    return datetime.combine(day, at, HELSINKI).astimezone(UTC)


class ValidityRefused(ValueError):
    """The requested validity is not possible; the message is one sentence that names the limit."""


@dataclass(frozen=True)
class Validity:
    """The first and the last second of a certificate's validity, both included (RFC 5280, 4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    @property
    def days(self) -> int:
        return (self.not_after + _SECOND - self.not_before).days


def start_of_validity(profile: Profile, signed_at: datetime, start_date: date | None = None) -> datetime:
    """Return the first second of a certificate that is signed at a moment (A14).

    It is the midnight with which the requested day begins in Helsinki, or the moment of signing, dated back as the
    profile says, if that is later.
    """
    start = signed_at.astimezone(UTC).replace(microsecond=0) - profile.backdating
    return start if start_date is None else max(start, in_helsinki(start_date))


def most_days(profile: Profile, start_date: date | None, first: datetime, last: datetime) -> int:
    """Return how many days can be granted whenever a certificate is signed, from `first` to `last` (B1)."""
    starts = (start_of_validity(profile, moment, start_date) for moment in (first, last))
    return min(validity(profile, start).days for start in _changes(*starts))


def granted(
    profile: Profile,
    signed_at: datetime,
    due: datetime,
    start_date: date | None = None,
    days: int | None = None,
    earliest: datetime | None = None,
) -> Validity:
    """Return the validity of a certificate that is signed now, `due` then, and starts no earlier than `earliest`.

    It has the requested days, or fewer if these are not possible any more. Raises ValidityRefused for a number that
    could not be accepted: it is too long at the end of the time for delivery.
    """
    start = start_of_validity(profile, signed_at, start_date)
    longest = validity(profile, start if earliest is None else max(start, earliest))
    if days is None:
        return longest
    accepted = validity(profile, start_of_validity(profile, due, start_date), days)
    return validity(profile, longest.not_before, min(accepted.days, longest.days))


def validity(profile: Profile, start: datetime, days: int | None = None) -> Validity:
    """Return the validity of a certificate that starts at `start` (aware, truncated to the second).

    `days` are whole days of 24 hours; without them the certificate is valid as long as its type allows.
    Raises ValidityRefused.
    """
    not_before = start.astimezone(UTC).replace(microsecond=0)
    years = profile.years_on(day_of(not_before))
    # The anniversary of 29 February is the 28th in other years, so never later than `years`.
    longest: datetime = not_before + relativedelta(years=years) - _SECOND
    if days is None:
        return Validity(not_before, longest)
    if days < 1:
        raise ValidityRefused("A certificate is valid for at least one day.")
    most = Validity(not_before, longest).days
    if days > most:
        raise ValidityRefused(
            f"A {profile.type_id} certificate is valid for at most {most} days; ask for no more, or for no number."
        )
    return Validity(not_before, not_before + timedelta(days=days) - _SECOND)


def _changes(first: datetime, last: datetime) -> Iterator[datetime]:
    """Yield two starts and all between them at which the longest validity can change: the midnights of both clocks."""
    yield from (first, last)
    for number in range((last - first).days + 3):
        day = first.date() + timedelta(days=number)
        yield from (it for it in (in_helsinki(day), datetime.combine(day, time(), UTC)) if first < it < last)

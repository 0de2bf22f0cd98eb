"""How long a certificate is valid (B1).

Years are counted in UTC, as those who read a certificate count them. From which day a limit holds is told by Finland's calendar, as every day in the
rules is (A12): a certificate that is to start on that day begins at its midnight in Helsinki, when it is still the day before in UTC.

ValidityRefused     a longer validity was asked for than the type allows, or none at all
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .profile import Profile

HELSINKI = ZoneInfo("Europe/Helsinki")

_SECOND = timedelta(seconds=1)


class ValidityRefused(ValueError):
    """The validity asked for cannot be given; the message is one sentence that names the limit."""


@dataclass(frozen=True)
class Validity:
    """The first and the last second of a certificate's validity, both included (RFC 5280, 4.1.2.5)."""

    not_before: datetime
    not_after: datetime


def validity(profile: Profile, start: datetime, days: int | None = None) -> Validity:
    """Return the validity of a certificate that starts at `start` (aware, cut to the second).

    `days` are whole days of 24 hours; without them the certificate is valid as long as its type allows.
    Raises ValidityRefused.
    """
    not_before = start.astimezone(UTC).replace(microsecond=0)
    years = profile.years_on(not_before.astimezone(HELSINKI).date())
    longest = _years_later(not_before, years) - _SECOND
    if days is None:
        return Validity(not_before, longest)
    if days < 1:
        raise ValidityRefused("A certificate is valid for at least one day.")
    most = (longest + _SECOND - not_before).days
    if days > most:
        raise ValidityRefused(
            f"A {profile.type_id} certificate is valid for at most {most} days; ask for no more, or for no number."
        )
    return Validity(not_before, not_before + timedelta(days=days) - _SECOND)


def _years_later(when: datetime, years: int) -> datetime:
    """Return the anniversary; after 29 February, where a year has none, the earlier day, so never more than years."""
    try:
        return when.replace(year=when.year + years)
    except ValueError:
        return when.replace(year=when.year + years, day=28)

"""The validity of a certificate (B1).

Years are counted in UTC, as relying parties count them. The day from which a limit applies is a day in Helsinki, like
every day in the rules (A12): it begins at midnight there, when it is still the day before in UTC.

ValidityRefused     the requested validity is longer than the type allows, or less than a day
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .profile import Profile

HELSINKI = ZoneInfo("Europe/Helsinki")

_SECOND = timedelta(seconds=1)


class ValidityRefused(ValueError):
    """The requested validity is not possible; the message is one sentence that names the limit."""


@dataclass(frozen=True)
class Validity:
    """The first and the last second of a certificate's validity, both included (RFC 5280, 4.1.2.5)."""

    not_before: datetime
    not_after: datetime


def validity(profile: Profile, start: datetime, days: int | None = None) -> Validity:
    """Return the validity of a certificate that starts at `start` (aware, truncated to the second).

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
    """Return the anniversary; that of 29 February is the 28th in other years, so never later than `years`."""
    try:
        return when.replace(year=when.year + years)
    except ValueError:
        return when.replace(year=when.year + years, day=28)

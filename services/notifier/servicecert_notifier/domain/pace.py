"""How fast reminders go: so many an hour to a recipient's domain, and so many over all (C4). Pure.

After a long stop many reminders are due at once. Each case is given a moment of its own. Of each domain one moment is kept, until which what was given
out fills its rate (the generic cell rate algorithm of ITU-T I.371); of the whole, how many mails each minute to come has. So a domain that gets many
holds up no other, and the limits hold over all workers and over restarts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
"""How finely the whole is counted, and how much of a domain's rate may be used at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Mails an hour: over all (at least 60), and to one recipient domain."""

    over_all: int = 3_600
    to_a_domain: int = 240


@dataclass(frozen=True, slots=True)
class Paces:
    """What was given out: until when each domain's rate is filled, and how many mails each minute has."""

    filled: Mapping[str, datetime]
    minutes: Mapping[datetime, int]


@dataclass(frozen=True, slots=True)
class Given:
    """The moments that were given, by key, and what is given out with them: only what changed."""

    slots: Mapping[str, datetime]
    paces: Paces


def give(wanted: Sequence[tuple[str, Sequence[str]]], paces: Paces, limits: Limits, now: datetime) -> Given:
    """Gives each key a moment for its mails, in the order given. `wanted` are keys with their recipients' domains, one for each mail."""
    filled, minutes, slots = dict(paces.filled), dict(paces.minutes), {}
    for key, domains in wanted:
        free = max((now, *(filled[domain] - MINUTE for domain in domains if domain in filled)))
        minute = _first_minute(free, len(domains), minutes, limits)
        slots[key] = slot = max(free, minute)
        minutes[minute] = minutes.get(minute, 0) + len(domains)
        for domain, mails in Counter(domains).items():
            filled[domain] = max(filled.get(domain, slot), slot) + mails * timedelta(hours=1) / limits.to_a_domain
    changed = Paces(
        {domain: until for domain, until in filled.items() if until != paces.filled.get(domain)},
        {minute: mails for minute, mails in minutes.items() if mails != paces.minutes.get(minute)},
    )
    return Given(slots, changed)


def _first_minute(free: datetime, mails: int, minutes: Mapping[datetime, int], limits: Limits) -> datetime:
    """The first minute from a moment on that has room. An empty one takes a case whole."""
    minute = free.replace(second=0, microsecond=0)
    while minutes.get(minute, 0) and minutes[minute] + mails > limits.over_all // 60:
        minute += MINUTE
    return minute


def domain_of(address: str) -> str:
    """The domain of an address, as limits count it."""
    return address.rpartition("@")[2].lower()

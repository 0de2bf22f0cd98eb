"""The rate limits of reminders: mails an hour to a recipient's domain, and over all (C4). Pure.

After a long stop many reminders are due at once, so each case gets a time slot. For each domain one time is stored:
until when the allocated mails fill its rate (the generic cell rate algorithm of ITU-T I.371). Over all, the mails of
each coming minute are counted. A busy domain delays no other, and the limits hold over all workers and restarts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
"""The resolution of the limit over all, and how much of a domain's rate may be used at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Mails an hour: over all (at least 60), and to one recipient domain."""

    over_all: int = 3_600
    to_a_domain: int = 240


@dataclass(frozen=True, slots=True)
class Paces:
    """The use of the limits: until when each domain's rate is filled, and how many mails each minute has."""

    filled: Mapping[str, datetime]
    minutes: Mapping[datetime, int]


def allocate(
    requests: Sequence[tuple[str, Sequence[str]]], paces: Paces, limits: Limits, now: datetime
) -> tuple[Mapping[str, datetime], Paces]:
    """Return a slot for each key, in the given order, and the changed part of the limits' use.

    `requests` are keys with the domain of each of their mails.
    """
    filled, minutes, slots = dict(paces.filled), dict(paces.minutes), {}
    for key, domains in requests:
        free = max((now, *(filled[domain] - MINUTE for domain in domains if domain in filled)))
        minute = free.replace(second=0, microsecond=0)
        # An empty minute takes any number.
        while minutes.get(minute, 0) and minutes[minute] + len(domains) > limits.over_all // 60:
            minute += MINUTE
        slots[key] = slot = max(free, minute)
        minutes[minute] = minutes.get(minute, 0) + len(domains)
        for domain, mails in Counter(domains).items():
            filled[domain] = max(filled.get(domain, slot), slot) + mails * timedelta(hours=1) / limits.to_a_domain
    return slots, Paces(dict(filled.items() - paces.filled.items()), dict(minutes.items() - paces.minutes.items()))


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()

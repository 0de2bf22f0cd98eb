"""How fast reminders go: so many an hour to a recipient's domain, and so many over all (C4). Pure.

After a long stop many reminders are due at once. Each is given a moment of its own, by the generic cell rate algorithm (ITU-T I.371): of each domain,
and of all, one moment is kept, until which what was given out fills the rate. So the limits hold over all workers, and over restarts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

ALL = ""
"""The name of the whole among the domains."""

AT_ONCE = timedelta(minutes=1)
"""How much of the rate may be used at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Mails an hour: over all, and to one recipient domain."""

    over_all: int = 3_600
    to_a_domain: int = 240

    def takes(self, domain: str) -> timedelta:
        """The time that one mail fills."""
        return timedelta(hours=1) / (self.over_all if domain == ALL else self.to_a_domain)


@dataclass(frozen=True, slots=True)
class Given:
    """The moments that were given, by key, and until when each domain is filled now."""

    slots: Mapping[str, datetime]
    filled: Mapping[str, datetime]


def give(
    wanted: Sequence[tuple[str, Sequence[str]]], filled: Mapping[str, datetime], limits: Limits, now: datetime
) -> Given:
    """Gives each key a moment for its mails, in the order given. `wanted` are keys with their recipients' domains, one for each mail."""
    filling = dict(filled)
    slots: dict[str, datetime] = {}
    for key, domains in wanted:
        counted = Counter(domains) + Counter({ALL: len(domains)})
        slot = max((now, *(filling[domain] - AT_ONCE for domain in counted if domain in filling)))
        for domain, mails in counted.items():
            filling[domain] = max(filling.get(domain, slot), slot) + mails * limits.takes(domain)
        slots[key] = slot
    return Given(slots, {domain: filling[domain] for domain in filling if filling[domain] != filled.get(domain)})


def domain_of(address: str) -> str:
    """The domain of an address, as limits count it."""
    return address.rpartition("@")[2].lower()

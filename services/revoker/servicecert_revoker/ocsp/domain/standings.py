"""What a responder knows of every issued certificate, in little memory, and whether it knows all there is (D8).

The topic says which certificates were issued and revoked. Whoever has the broker can withhold records, and bring old
ones again. So what the CA's own CRL lists is revoked in any case, and the revoker counts how many standings there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from servicecert_pki.crl import Reason
from servicecert_schemas.open_list import value_of
from servicecert_schemas.revocation import Standing, StandingChanged, StandingsCount

from ...domain.crl_orders import REASONS

GRACE = timedelta(minutes=10)
"""How long a responder that knew everything vouches for a CA while something may be on its way."""

_SKEW = timedelta(minutes=1)
_LAST_BITS = 2**52 - 1


class SerialStatus(Enum):
    """The status of a serial number that is not revoked."""

    VALID = "valid"
    NEVER_ISSUED = "never issued"


@dataclass(frozen=True, slots=True)
class Revoked:
    """The status of a revoked certificate; times are in whole seconds."""

    reason: Reason | None
    revoked_at: datetime
    invalid_since: datetime | None


@dataclass(frozen=True, slots=True)
class FullCrl:
    """A CA's full CRL, verified."""

    number: int
    next_update: datetime


class Lack(StrEnum):
    """Why a responder cannot know all standings of a CA, as metrics name it."""

    NO_CRL = "no-crl"
    OLD_CRL = "old-crl"
    DIFFERENT = "different"
    FEWER = "fewer"


@dataclass(slots=True)
class _Tally:
    """Standings as the revoker counts them: those decided `until` its newest count, and later ones."""

    until: datetime | None = None
    standings: int = 0
    total: int = 0
    later_standings: int = 0
    later_total: int = 0

    def add(self, serial: int, at: datetime) -> None:
        if self.until is None or at <= self.until:
            self.standings += 1
            self.total += serial & _LAST_BITS
        else:
            self.later_standings += 1
            self.later_total += serial & _LAST_BITS

    def has(self, count: StandingsCount) -> bool:
        """Return whether these are all that were counted. What was decided just then is in the count, or is not."""
        same = self.total & _LAST_BITS == count.total
        return self.standings > count.standings or (self.standings == count.standings and same)

    def extend(self, until: datetime) -> None:
        """Count what is known as decided until then: it arrived before the count did."""
        self.until = until
        self.standings += self.later_standings
        self.total += self.later_total
        self.later_standings = self.later_total = 0


@dataclass(slots=True)
class CaStandings:
    """What is known of one CA. `different` are the serial numbers that only its CRL calls revoked.

    `crl` is kept once its entries are taken. `lacks` is what was missing at the last look, and
    `lacks_since` the first one at which something was that is still; None if nothing is.
    """

    of: dict[int, Revoked | None] = field(default_factory=dict)
    tally: _Tally = field(default_factory=_Tally)
    different: set[int] = field(default_factory=set)
    until: datetime | None = None
    crl: FullCrl | None = None
    count: StandingsCount | None = None
    whole_at: datetime | None = None
    lacks: frozenset[Lack] = frozenset()
    lacks_since: datetime | None = None

    def revoke(self, serial: int, after: Revoked) -> bool:
        before = self.of.get(serial, SerialStatus.NEVER_ISSUED)
        if isinstance(before, Revoked) and not _changes(before, after):
            return False
        if not isinstance(before, Revoked):
            self.tally.add(serial, after.revoked_at)
        if before is SerialStatus.NEVER_ISSUED:
            self.tally.add(serial, after.revoked_at)
        self.of[serial] = after
        return True

    def missing(self, now: datetime) -> Iterator[Lack]:
        if self.crl is None or self.crl.next_update <= now:
            yield Lack.NO_CRL
        elif self.count is not None and self.crl.number < self.count.crl_number:
            yield Lack.OLD_CRL
        if self.different:
            yield Lack.DIFFERENT
        if self.count is not None and not self.tally.has(self.count):
            yield Lack.FEWER


class Standings:
    """The statuses by CA and serial number. A repeated, late or weaker record and a later date change nothing (D3)."""

    def __init__(self) -> None:
        self.cas = defaultdict[str, CaStandings](CaStandings)

    def __len__(self) -> int:
        return sum(len(ca.of) for ca in self.cas.values())

    def issuers(self, now: datetime) -> Iterator[str]:
        return (issuer for issuer, ca in self.cas.items() if ca.until is not None and ca.until >= now)

    def of(self, issuer: str, serial: int) -> Revoked | SerialStatus:
        status = self.cas[issuer].of.get(serial, SerialStatus.NEVER_ISSUED)
        return SerialStatus.VALID if status is None else status

    def take(self, event: StandingChanged, at: datetime) -> bool:
        """Apply an event with its time, and return whether it changed anything."""
        ca = self.cas[event.issuer]
        ca.until = max(event.not_after, ca.until or event.not_after)
        serial = int(event.serial, 16)
        if event.standing is Standing.VALID:
            if serial in ca.of:
                return False
            ca.of[serial] = None
            ca.tally.add(serial, at)
            return True
        ca.different.discard(serial)
        reason = None if event.reason is None else value_of(REASONS, event.reason, None)
        return ca.revoke(serial, Revoked(reason, event.revoked_at or at, event.invalid_since))

    def counted(self, issuer: str, count: StandingsCount) -> None:
        """Keep the newest count of a CA's standings."""
        ca = self.cas[issuer]
        if ca.count is None or count.at > ca.count.at:
            ca.count = count
            ca.tally.extend(count.at + _SKEW)

    def take_crl(self, issuer: str, crl: FullCrl, entries: Iterable[tuple[int, Revoked]]) -> None:
        """Apply the entries of a CA's newer CRL. Those that the topic does not say (yet) are `different`."""
        ca = self.cas[issuer]
        for serial, listed in entries:
            if not isinstance(ca.of.get(serial), Revoked):
                ca.different.add(serial)
                ca.revoke(serial, listed)
        ca.crl = crl

    def look(self, now: datetime) -> None:
        """Judge each CA, now that all records are read that were there at this moment."""
        for ca in self.cas.values():
            ca.lacks = frozenset(ca.missing(now))
            ca.lacks_since = (ca.lacks_since or now) if ca.lacks else None
            if not ca.lacks:
                ca.whole_at = now

    def vouched_until(self, issuer: str, moment: datetime) -> datetime | None:
        """Return until when the CA's CRL says that all others are not revoked.

        None if something is missing at this moment, and has been for longer than is on its way.
        """
        ca = self.cas[issuer]
        if ca.crl is None or ca.whole_at is None or not ca.whole_at <= moment < ca.whole_at + GRACE:
            return None
        return ca.crl.next_update


def _changes(before: Revoked, after: Revoked) -> bool:
    """Return whether a record about a revoked certificate counts: a compromised key, or its earlier date."""
    if after.reason is not Reason.KEY_COMPROMISE:
        return False
    is_earlier = after.invalid_since is not None and after.invalid_since < (before.invalid_since or before.revoked_at)
    return is_earlier or before.reason is not Reason.KEY_COMPROMISE

"""The status of every issued certificate, in little memory: there may be millions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from servicecert_pki.crl import Reason
from servicecert_schemas.open_list import value_of
from servicecert_schemas.revocation import Standing, StandingChanged

from ...crl.domain.entries import REASONS


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


class Standings:
    """The statuses by CA and serial number. A repeated, late or weaker record and a later date change nothing (D3)."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, Revoked | None]] = {}
        self._until: dict[str, datetime] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def issuers(self, now: datetime) -> Iterator[str]:
        """Return the CAs with unexpired certificates."""
        return (issuer for issuer, until in self._until.items() if until >= now)

    def of(self, issuer: str, serial: int) -> Revoked | SerialStatus:
        status = self._of.get(issuer, _NOTHING).get(serial, SerialStatus.NEVER_ISSUED)
        return SerialStatus.VALID if status is None else status

    def take(self, event: StandingChanged, at: datetime) -> bool:
        """Apply an event with its time, and return whether it changed anything."""
        of = self._of.setdefault(event.issuer, {})
        self._until[event.issuer] = max(event.not_after, self._until.get(event.issuer, event.not_after))
        serial = int(event.serial, 16)
        before = of.get(serial, SerialStatus.NEVER_ISSUED)
        if event.standing is Standing.VALID:
            of.setdefault(serial, None)
            return before is SerialStatus.NEVER_ISSUED
        after = Revoked(
            None if event.reason is None else value_of(REASONS, event.reason, None),
            event.revoked_at or at,
            event.invalid_since,
        )
        if isinstance(before, Revoked) and not _changes(before, after):
            return False
        of[serial] = after
        return True


def _changes(before: Revoked, after: Revoked) -> bool:
    """Return whether a record about a revoked certificate counts: a compromised key, or its earlier date."""
    if after.reason is not Reason.KEY_COMPROMISE:
        return False
    is_earlier = after.invalid_since is not None and after.invalid_since < (before.invalid_since or before.revoked_at)
    return is_earlier or before.reason is not Reason.KEY_COMPROMISE


_NOTHING: dict[int, Revoked | None] = {}

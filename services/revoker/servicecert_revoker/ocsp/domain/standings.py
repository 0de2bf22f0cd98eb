"""What is known of every certificate that was ever issued: kept small, since there may be millions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from servicecert_pki.crl import Reason
from servicecert_schemas.revocation import RevocationReason, Standing, StandingChanged

from ...crl.domain.entries import REASONS


class Known(Enum):
    """What is said of a certificate that is not revoked."""

    VALID = "valid"
    NEVER_ISSUED = "never issued"


@dataclass(frozen=True, slots=True)
class Revoked:
    """What is said of a certificate that is; times count in whole seconds."""

    reason: Reason | None
    revoked_at: datetime
    invalid_since: datetime | None


class Standings:
    """The standings by CA and serial number. What comes later and says less changes nothing, so records may come again and in any order (D3)."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, Revoked | None]] = {}
        self._until: dict[str, datetime] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def issuers(self, now: datetime) -> Iterator[str]:
        """The CAs that have issued anything that has not expired."""
        return (issuer for issuer, until in self._until.items() if until >= now)

    def of(self, issuer: str, serial: int) -> Revoked | Known:
        found = self._of.get(issuer, _NOTHING).get(serial, Known.NEVER_ISSUED)
        return Known.VALID if found is None else found

    def take(self, said: StandingChanged, at: datetime) -> bool:
        """Merges what is said, and whether that changed anything. `at` is when it was said."""
        of = self._of.setdefault(said.issuer, {})
        self._until[said.issuer] = max(said.not_after, self._until.get(said.issuer, said.not_after))
        serial = int(said.serial, 16)
        before = of.get(serial, Known.NEVER_ISSUED)
        if said.standing is Standing.VALID:
            of.setdefault(serial, None)
            return before is Known.NEVER_ISSUED
        worse = said.reason is RevocationReason.KEY_EXPOSED
        if isinstance(before, Revoked) and (not worse or before.reason is Reason.KEY_COMPROMISE):
            return False
        of[serial] = Revoked(
            None if said.reason is None else REASONS[said.reason], said.revoked_at or at, said.invalid_since
        )
        return True


_NOTHING: dict[int, Revoked | None] = {}

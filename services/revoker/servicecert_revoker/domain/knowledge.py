"""What the revoker knows besides a case: accounts, compromised keys, confirmed requests, holders of certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.event import Change
from servicecert_schemas.membership import NO_ACCOUNTS, Accounts, accounts_after


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A snapshot of the accounts, and for one turn what the tables hold on its items."""

    accounts: Accounts = field(default_factory=lambda: NO_ACCOUNTS)
    compromised: frozenset[str] = frozenset()
    confirmed: Mapping[tuple[UUID, UUID], str] = field(default_factory=lambda: MappingProxyType({}))
    """The confirmed reason, by request id and case."""
    holders: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))
    """The key that a certificate of this turn is stored under, by issuer and serial number (F2)."""
    over_limit: frozenset[str] = frozenset()
    """The keys of this turn's responders beyond the limit of a day."""
    heard: datetime | None = None
    """Up to when the accounts have been read."""


NOTHING_KNOWN = Knowledge()


def apply(known: Knowledge, changes: Sequence[Change]) -> Knowledge:
    return replace(known, accounts=accounts_after(known.accounts, changes))

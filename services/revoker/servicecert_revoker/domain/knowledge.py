"""What the revoker knows besides a case: the accounts, the compromised keys and the confirmed requests of operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from uuid import UUID

from servicecert_pki.partitions import MOST_PARTITIONS
from servicecert_worker.decider import Change
from servicecert_worker.domain.membership import NO_ACCOUNTS, Accounts, accounts_after


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A snapshot of the accounts and, for one turn, the compromised keys and the requests that operators confirmed.

    `partitions` is the number of partitioned CRLs that each CA has.
    """

    accounts: Accounts = NO_ACCOUNTS
    partitions: int = MOST_PARTITIONS
    compromised: frozenset[str] = frozenset()
    confirmed: Mapping[tuple[UUID, UUID], str] = field(default_factory=lambda: MappingProxyType({}))
    """The confirmed reason, by request id and case."""


NOTHING_KNOWN = Knowledge()


def apply(known: Knowledge, changes: Sequence[Change]) -> Knowledge:
    """Return the snapshot after more events of accounts."""
    return replace(known, accounts=accounts_after(known.accounts, changes))

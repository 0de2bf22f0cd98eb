"""What the revoker decides with beside a case: who may act for whom, which keys are compromised, and what two operators want."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from servicecert_worker.decider import Change
from servicecert_worker.domain.membership import NO_ACCOUNTS, Accounts, accounts_after


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A snapshot of the accounts; and, of what a turn decides on, the keys that are compromised and the requests that two operators want."""

    accounts: Accounts = NO_ACCOUNTS
    compromised: frozenset[str] = frozenset()
    confirmed: Mapping[tuple[UUID, UUID], str] = field(default_factory=lambda: MappingProxyType({}))
    """By the request's id and its case the reason that was confirmed."""


NOTHING_KNOWN = Knowledge()


def apply(known: Knowledge, changes: Sequence[Change]) -> Knowledge:
    """The snapshot after more events of accounts."""
    return Knowledge(accounts_after(known.accounts, changes))

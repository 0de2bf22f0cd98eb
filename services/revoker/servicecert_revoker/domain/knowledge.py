"""What the revoker decides with beside a case: who may act for whom, which keys are compromised, and what two operators want."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from immutables import Map
from servicecert_schemas.membership import Account, account_after
from servicecert_worker.decider import Change


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A snapshot of the accounts; and, of what a turn decides on, the keys that are compromised and the requests that two operators want."""

    accounts: Map[str, Account] = field(default_factory=Map)
    compromised: frozenset[str] = frozenset()
    confirmed: Mapping[tuple[UUID, UUID], str] = field(default_factory=lambda: MappingProxyType({}))
    """By the request's id and its case the reason that was confirmed."""


NOTHING_KNOWN = Knowledge()


def apply(known: Knowledge, changes: Sequence[Change]) -> Knowledge:
    """The snapshot after more events of accounts."""
    draft = known.accounts.mutate()
    for change in changes:
        after = account_after(draft.get(change.key), change.data, change.time)
        if after is not None:
            draft[change.key] = after
    return Knowledge(draft.finish())

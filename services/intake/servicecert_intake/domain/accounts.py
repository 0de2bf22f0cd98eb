"""The customer accounts as they stand: which organisation each is bound to, and who may act for it (A2, A3).

A snapshot shares its parts with the one before it, as that of the registers does.
"""

from collections.abc import Iterable

from immutables import Map
from servicecert_schemas.membership import Account, account_after
from servicecert_worker.decider import Change

Accounts = Map[str, Account]
NO_ACCOUNTS: Accounts = Map()


def apply(accounts: Accounts, changes: Iterable[Change]) -> Accounts:
    """The accounts after more events of them. An event that is repeated, or older than what is known, changes nothing."""
    draft = accounts.mutate()
    for change in changes:
        after = account_after(draft.get(change.key), change.data, change.time)
        if after is not None:
            draft[change.key] = after
    return draft.finish()

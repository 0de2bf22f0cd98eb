"""Who may act for which customer account, as the topic `accounts` tells it, and how sure it is who acts (A2, A3).

A snapshot shares its parts with the one before it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from immutables import Map
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.membership import Account, account_after

from ..decider import Change

Accounts: TypeAlias = Map[str, Account]
NO_ACCOUNTS: Accounts = Map()

ASKED_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 10, 30, 60))
"""When an event of a user who is no member is looked at again: the invitation may be under way on another topic (A2)."""

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})


def accounts_after(accounts: Accounts, changes: Iterable[Change]) -> Accounts:
    """Return the accounts after more events of them. One that is repeated, or older than what is known, changes nothing."""
    draft = accounts.mutate()
    for change in changes:
        after = account_after(draft.get(change.key), change.data, change.time)
        if after is not None:
            draft[change.key] = after
    return draft.finish()


def role_of(actor: Actor, case_id: UUID, accounts: Accounts, sent: datetime) -> Role | None:
    """Return the role in which a user was invited to act in a case when this was sent; None where nobody invited them.

    Nobody acts for an account of which it is not known whose it is: it could act for any organisation.
    """
    account = accounts.get(actor.account_id)
    if account is None or account.business_id is None:
        return None
    return account.member(actor.user_id, case_id, sent)


def ask_again_at(since: datetime, now: datetime) -> datetime | None:
    """Return when an event that is here `since` a moment is looked at again for its user's invitation; None once it is not."""
    return next((since + after for after in ASKED_AFTER if since + after > now), None)


def is_strongly_authenticated(actor: Actor) -> bool:
    """Return whether it is sure enough who acts (A2)."""
    return actor.assurance in _STRONG

"""Who may act for which customer account, from the topic `accounts`, and how strongly they are authenticated (A2, A3).

Every service that authorises users follows the topic and keeps an immutable snapshot of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from immutables import Map
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.event import Actor, Assurance, EventData, Role
from servicecert_schemas.open_list import UnknownMember

from ..decider import Change

MEMBERSHIP_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 10, 30, 60))
"""When an event of a user who is not a member is checked again: the invitation may still be on its way (A2)."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""How much the clocks may differ by which the moments of one user's acts are stated."""

MOST_ACCOUNTS = 100_000
"""How many accounts are known by default: every service that knows them holds them in memory (F5)."""

MOST_MEMBERS = 50_000
"""How many members an account has at most, removed ones included: a technical contact of each case is one (F5).

A further one is not invited.
"""

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})


@dataclass(frozen=True, slots=True)
class Member:
    """Someone who may act from `since` on, until `until` if removed. `stated_at` is when the role was last stated."""

    role: Role | UnknownMember
    since: datetime
    stated_at: datetime
    until: datetime | None = None

    def acts(self, sent: datetime) -> bool:
        """Return whether an event sent at a moment counts: the user is a member now, or was one then."""
        return self.until is None or self.since <= sent < self.until


@dataclass(frozen=True, slots=True)
class Account:
    """One account. Members are kept by user, and by case if they were invited for one case only.

    `opened_at` is when it was first opened.
    """

    business_id: str | None = None
    opened_at: datetime | None = None
    members: Map[tuple[str, UUID | None], Member] = field(default_factory=Map)

    def member(self, user_id: str, case_id: UUID, sent: datetime) -> Role | UnknownMember | None:
        """Return a user's role in a case: as a member of the account, or else as invited for that case."""
        for scope in (None, case_id):
            member = self.members.get((user_id, scope))
            # Nobody is the technical contact of a whole account (A3).
            if (
                member is not None
                and member.acts(sent)
                and not (scope is None and member.role is Role.TECHNICAL_CONTACT)
            ):
                return member.role
        return None


Accounts: TypeAlias = Map[str, Account]
NO_ACCOUNTS: Accounts = Map()


def _account_after(account: Account | None, data: EventData | None, at: datetime) -> Account | None:
    """Return the account after an event. One that is repeated, outdated or of another kind changes nothing."""
    before = account or Account()
    match data:
        case AccountOpened():
            # An account is bound to its organisation once, for ever. The user who opened it is its first member.
            opened_at = min(at, before.opened_at or at)
            bound = replace(before, business_id=before.business_id or data.business_id, opened_at=opened_at)
            return _added(bound, data.actor.user_id, data.actor.role, None, at)
        case AccountMemberAdded():
            return _added(before, data.user_id, data.role, data.case_id, at)
        case AccountMemberRemoved():
            return _removed(before, data.user_id, data.case_id, at)
        case _:
            return account


def _added(account: Account, user_id: str, role: Role | UnknownMember, case_id: UUID | None, at: datetime) -> Account:
    before = account.members.get((user_id, case_id))
    if before is not None and at < (before.until or before.stated_at):
        return account
    since = at if before is None or before.until is not None else before.since
    if before is None and len(account.members) >= MOST_MEMBERS:
        return account
    return replace(account, members=account.members.set((user_id, case_id), Member(role, since, at)))


def _removed(account: Account, user_id: str, case_id: UUID | None, at: datetime) -> Account:
    """Return the account without a member of one case, or, for None, of the account and all its cases.

    A removal from long before the invitation is a repeated one. One from just before it follows it, by another clock.
    """
    removed = {
        (user, case): replace(member, until=at)
        for (user, case), member in account.members.items()
        if user == user_id and case_id in (None, case) and member.until is None and member.since <= at + CLOCKS_DIFFER
    }
    return replace(account, members=account.members.update(removed))


def accounts_after(accounts: Accounts, changes: Iterable[Change], most: int = MOST_ACCOUNTS) -> Accounts:
    """Return the accounts after more events. One that is repeated or outdated changes nothing.

    Beyond `most` accounts no more are known: their users are answered as if they were not invited (F5).
    """
    draft = accounts.mutate()
    for change in changes:
        before = draft.get(change.key)
        if before is None and len(draft) >= most:
            continue
        after = _account_after(before, change.data, change.time)
        if after is not None:
            draft[change.key] = after
    return draft.finish()


def role_of(actor: Actor, case_id: UUID, accounts: Accounts, sent: datetime) -> Role | UnknownMember | None:
    """Return the role in which a user may act in a case at the time `sent`; None if they were not invited.

    Nobody may act for an account without an organisation: it could act for any organisation.
    """
    account = accounts.get(actor.account_id)
    if account is None or account.business_id is None:
        return None
    return account.member(actor.user_id, case_id, sent)


def role_or_wait(
    actor: Actor, case_id: UUID, accounts: Accounts, sent: datetime, since: datetime, now: datetime
) -> Role | UnknownMember | datetime | None:
    """Return a user's role; or when to check again, if the event arrived (`since`) only a moment ago; or None."""
    later = (since + after for after in MEMBERSHIP_RETRIES if since + after > now)
    return role_of(actor, case_id, accounts, sent) or next(later, None)


def is_strongly_authenticated(actor: Actor) -> bool:
    """Return whether the user is authenticated strongly enough (A2)."""
    return actor.assurance in _STRONG

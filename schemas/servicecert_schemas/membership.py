"""Who may act for which customer account, from the topic `accounts`, and how strongly they are authenticated (A2, A3).

Every service that authorises users follows the topic and keeps a snapshot of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

from .account import AccountEvent, AccountMemberAdded, AccountMemberRemoved, AccountOpened
from .event import Actor, Assurance, Change, EventData, Role
from .open_list import UnknownMember
from .rights import may

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


Members: TypeAlias = Mapping[tuple[str, UUID | None], Member]
"""Members by user, and by case if they were invited for one case only."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account, as its first opening bound it to its organisation, for ever. Its first member opened it."""

    business_id: str
    opened_at: datetime
    members: Members

    def member(self, user_id: str, case_id: UUID | None, sent: datetime) -> Role | UnknownMember | None:
        """Return a user's role in the account, or else, where one is given, as invited for that case."""
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


Accounts: TypeAlias = Mapping[str, Account]
NO_ACCOUNTS: Accounts = MappingProxyType({})


def _opened(data: EventData | None, at: datetime) -> Account | None:
    if not isinstance(data, AccountOpened):
        return None
    opener = Member(data.actor.role, since=at, stated_at=at)
    return Account(data.business_id, at, {(data.actor.user_id, None): opener})


def _changed_members(account: Account, data: EventData | None, at: datetime) -> Members:
    """Return the members that an event changes, one that is not refused. A repeated or outdated one changes none."""
    match data:
        case AccountMemberAdded():
            return _added(account, data.user_id, data.role, data.case_id, at)
        case AccountMemberRemoved():
            return _removed(account, data.user_id, data.case_id, at)
        case _:
            return {}


def _refusal(account: Account | None, data: EventData | None, at: datetime) -> str | None:
    """Return the code of why an event of an account changes nothing, None if its actor may cause it (A2).

    Who adds or removes a member is a member of the account who may invite. Opening an account again never changes it;
    a member may.
    """
    if not isinstance(data, AccountEvent) or (account is None and isinstance(data, AccountOpened)):
        return None
    if account is None or data.actor.account_id != data.account_id:
        return "not-a-member"
    if (role := account.member(data.actor.user_id, None, at)) is None:
        return "not-a-member"
    if not isinstance(data, AccountMemberAdded | AccountMemberRemoved):
        return None
    if not is_strongly_authenticated(data.actor):
        return "not-strongly-authenticated"
    return None if may(role, data) else "role-not-allowed"


def _added(account: Account, user_id: str, role: Role | UnknownMember, case_id: UUID | None, at: datetime) -> Members:
    before = account.members.get((user_id, case_id))
    if before is not None and at < (before.until or before.stated_at):
        return {}
    if before is None and len(account.members) >= MOST_MEMBERS:
        return {}
    since = at if before is None or before.until is not None else before.since
    return {(user_id, case_id): Member(role, since, at)}


def _removed(account: Account, user_id: str, case_id: UUID | None, at: datetime) -> Members:
    """Return who is no longer a member of one case, or, for None, of the account and all its cases.

    A removal from long before the invitation is a repeated one. One from just before it follows it, by another clock.
    """
    return {
        (user, case): replace(member, until=at)
        for (user, case), member in account.members.items()
        if user == user_id and case_id in (None, case) and member.until is None and member.since <= at + CLOCKS_DIFFER
    }


def accounts_after(accounts: Accounts, changes: Iterable[Change], most: int = MOST_ACCOUNTS) -> Accounts:
    """Return the accounts after more events. One that is repeated, outdated or refused changes nothing.

    Beyond `most` accounts no more are known: their users are answered as if they were not invited (F5).
    """
    changed, _ = _after(accounts, changes, most)
    return {**accounts, **changed} if changed else accounts


def refusals(accounts: Accounts, changes: Iterable[Change]) -> list[tuple[Change, str]]:
    """Return the events that change nothing because their actors may not cause them, with the code of why."""
    return _after(accounts, changes, MOST_ACCOUNTS)[1]


def _after(
    accounts: Accounts, changes: Iterable[Change], most: int
) -> tuple[dict[str, Account], list[tuple[Change, str]]]:
    """Return the accounts that change, and the events that are refused. The accounts themselves are not copied."""
    changed, refused, opened = dict[str, Account](), [], 0
    members: dict[str, dict[tuple[str, UUID | None], Member]] = {}
    for change in changes:
        account = changed.get(change.key) or accounts.get(change.key)
        if (code := _refusal(account, change.data, change.time)) is not None:
            refused.append((change, code))
        elif account is None:
            if len(accounts) + opened < most and (new := _opened(change.data, change.time)) is not None:
                changed[change.key] = new
                opened += 1
        elif stated := _changed_members(account, change.data, change.time):
            if change.key not in members:
                members[change.key] = dict(account.members)
                changed[change.key] = replace(account, members=members[change.key])
            members[change.key].update(stated)
    return changed, refused


def role_of(actor: Actor, case_id: UUID, accounts: Accounts, sent: datetime) -> Role | UnknownMember | None:
    """Return the role in which a user may act in a case at the time `sent`; None if they were not invited."""
    account = accounts.get(actor.account_id)
    return None if account is None else account.member(actor.user_id, case_id, sent)


def role_or_wait(
    actor: Actor, case_id: UUID, accounts: Accounts, sent: datetime, since: datetime, now: datetime
) -> Role | UnknownMember | datetime | None:
    """Return a user's role; or when to check again, if the event arrived (`since`) only a moment ago; or None."""
    later = (since + after for after in MEMBERSHIP_RETRIES if since + after > now)
    return role_of(actor, case_id, accounts, sent) or next(later, None)


def is_strongly_authenticated(actor: Actor) -> bool:
    """Return whether the user is authenticated strongly enough (A2)."""
    return actor.assurance in _STRONG

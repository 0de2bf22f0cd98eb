"""Who may do what for which customer account, and how strongly they are authenticated (A2, A3, D2).

Every service that authorises users follows the topic `accounts` and keeps a snapshot of it. What a role may do in a
case and for an account is one table, for our services and the e-service. The role is that of the user's membership. The
role that an event claims gives no right: it only tells the authority's operators from customers, and an operator has no
right of a customer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

from .account import AccountEvent, AccountMemberAdded, AccountMemberRemoved, AccountOpened
from .application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    CsrAttached,
)
from .event import Actor, Assurance, Change, EventData, Role
from .open_list import UnknownMember, value_of
from .revocation import RevocationReason, RevocationRequested

MEMBERSHIP_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 10, 30, 60))
"""When an event of a user who is not a member is checked again: the invitation may still be on its way (A2)."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""How much the clocks may differ by which the moments of one user's acts are stated."""

MOST_ACCOUNTS = 100_000
"""How many accounts are known by default: every service that knows them holds them in memory (F5)."""

MOST_MEMBERS = 50_000
"""How many members an account has at most, removed ones included: a technical contact of each case is one (F5).

A further one is not invited: the event is refused with the code `TOO_MANY_MEMBERS`.
"""

TOO_MANY_MEMBERS = "too-many-members"

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})


@dataclass(frozen=True, slots=True)
class Member:
    """Someone who may act from `since` on, until `until` if removed. `stated_at` is when the role was last stated.

    `removed_at` is the removal before, of who was added again.
    """

    role: Role | UnknownMember
    since: datetime
    stated_at: datetime
    until: datetime | None = None
    removed_at: datetime | None = None

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
    # The role that an event claims gives no right.
    opener = Member(Role.COLLEAGUE, since=at, stated_at=at)
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
    if not may(role, data):
        return "role-not-allowed"
    is_new = isinstance(data, AccountMemberAdded) and (data.user_id, data.case_id) not in account.members
    return TOO_MANY_MEMBERS if is_new and len(account.members) >= MOST_MEMBERS else None


def _added(account: Account, user_id: str, role: Role | UnknownMember, case_id: UUID | None, at: datetime) -> Members:
    before = account.members.get((user_id, case_id))
    if before is None:
        return {(user_id, case_id): Member(role, at, at)}
    # By another clock a removal that follows may be before it.
    if at < (before.until or before.stated_at) or (at == before.stated_at and role == before.role):
        return {}
    since = at if before.until is not None else before.since
    return {(user_id, case_id): Member(role, since, at, removed_at=before.until or before.removed_at)}


def _removed(account: Account, user_id: str, case_id: UUID | None, at: datetime) -> Members:
    """Return who is no longer a member of one case, or, for None, of the account and all its cases.

    A removal from long before the invitation is a repeated one. One from just before it follows it, by another clock.
    """
    keys = [(user_id, case_id)] if case_id is not None else [key for key in account.members if key[0] == user_id]
    members = {key: account.members[key] for key in keys if key in account.members}
    return {
        key: replace(member, until=at)
        for key, member in members.items()
        if member.until is None and member.removed_at != at and member.since <= at + CLOCKS_DIFFER
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
    actor: Actor,
    case_id: UUID,
    accounts: Accounts,
    sent: datetime,
    since: datetime,
    now: datetime,
    heard: datetime | None = None,
) -> Role | UnknownMember | datetime | None:
    """Return a user's role; or when to check again, if the event arrived (`since`) only a moment ago; or None.

    `heard` is up to when accounts have been read. An invitation may be in what could not be read since (F7).
    """
    if (role := role_of(actor, case_id, accounts, sent)) is not None:
        return role
    *_, later, last = MEMBERSHIP_RETRIES
    if heard is not None and heard < since + later:
        last += max(now - since, timedelta())
    return next((since + after for after in (*MEMBERSHIP_RETRIES, last) if since + after > now), None)


def is_strongly_authenticated(actor: Actor) -> bool:
    """Return whether the user is authenticated strongly enough (A2)."""
    return actor.assurance in _STRONG


class Act(Enum):
    """What a customer can do in a case, or for an account. No event holds one."""

    SUBMIT = "submit"
    SUPPLEMENT = "supplement"
    ATTACH_REQUEST = "attach-request"
    WITHDRAW = "withdraw"
    REVOKE_EXPOSED = "revoke-exposed"
    REVOKE_OTHERWISE = "revoke-otherwise"
    INVITE = "invite"


_KEY_HOLDERS = frozenset({Act.ATTACH_REQUEST, Act.REVOKE_EXPOSED})

MAY = MappingProxyType(
    {
        Role.COLLEAGUE: frozenset(Act),
        # Outsiders who hold the key: a partner in the cases of the account, a contact in one case.
        Role.TECHNICAL_PARTNER: _KEY_HOLDERS,
        Role.TECHNICAL_CONTACT: _KEY_HOLDERS,
        Role.OPERATOR: frozenset[Act](),
    }
)
"""The acts of each role of a membership. The authority's own acts are no acts of a case (D2, D6)."""

_EVENTS: MappingProxyType[type[EventData], Act] = MappingProxyType(
    {
        ApplicationSubmitted: Act.SUBMIT,
        ApplicationSupplemented: Act.SUPPLEMENT,
        CsrAttached: Act.ATTACH_REQUEST,
        ApplicationWithdrawn: Act.WITHDRAW,
        AccountMemberAdded: Act.INVITE,
        AccountMemberRemoved: Act.INVITE,
    }
)

_REASONS = MappingProxyType(
    {
        RevocationReason.KEY_EXPOSED: Act.REVOKE_EXPOSED,
        RevocationReason.NO_LONGER_NEEDED: Act.REVOKE_OTHERWISE,
        RevocationReason.PURPOSE_OR_DATA_CHANGED: Act.REVOKE_OTHERWISE,
    }
)


CustomersEvent: TypeAlias = ApplicationEvent | RevocationRequested | AccountMemberAdded | AccountMemberRemoved
"""An event that needs a right."""


def act_of(event: CustomersEvent) -> Act | None:
    """Return what a customer does by an event; None for a revocation for the authority's own reason.

    A reason that this version does not know is not for those who may only report an exposed key.
    """
    if not isinstance(event, RevocationRequested):
        return _EVENTS[type(event)]
    return Act.REVOKE_OTHERWISE if isinstance(event.reason, UnknownMember) else _REASONS.get(event.reason)


def may(role: Role | UnknownMember, event: CustomersEvent) -> bool:
    """Return whether a member with this role may send an event. An unknown role gives no right.

    Who claims to be an operator acts for the authority, and so not for a customer.
    """
    return event.actor.role is not Role.OPERATOR and act_of(event) in value_of(MAY, role, frozenset())


def reasons_of(role: Role) -> tuple[RevocationReason, ...]:
    """Return the reasons for which a member with this role may ask for a revocation (D2)."""
    return tuple(reason for reason, act in _REASONS.items() if act in MAY[role])

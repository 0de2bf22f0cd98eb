"""Who may act for which customer account, as the topic `accounts` tells it, and how sure it is who acts (A2, A3).

Every service that judges a user follows the topic and keeps a snapshot, which shares its parts with the one before it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

from immutables import Map
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.event import Actor, Assurance, EventData, Role

from ..decider import Change

ASKED_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 10, 30, 60))
"""When an event of a user who is no member is looked at again: the invitation may be under way on another topic (A2)."""

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may act since a moment, until another where removed. `said` is when the role was last said."""

    role: Role
    since: datetime
    said: datetime
    until: datetime | None = None

    def acts(self, sent: datetime) -> bool:
        """Whether what was sent at a moment counts: the user is a member now, or was one then."""
        return self.until is None or self.since <= sent < self.until


@dataclass(frozen=True, slots=True)
class Account:
    """One account. Members are kept by user, and by the case where they were invited for one only."""

    business_id: str | None = None
    members: Mapping[tuple[str, UUID | None], Member] = field(default_factory=lambda: MappingProxyType({}))

    def member(self, user_id: str, case_id: UUID, sent: datetime) -> Role | None:
        """In which role a user may act in a case: as a member of the account first, else as one who was invited for that case."""
        for place in ((user_id, None), (user_id, case_id)):
            member = self.members.get(place)
            # Nobody is the technical contact of a whole account (A3).
            if (
                member is not None
                and member.acts(sent)
                and not (place[1] is None and member.role is Role.TECHNICAL_CONTACT)
            ):
                return member.role
        return None


Accounts: TypeAlias = Map[str, Account]
NO_ACCOUNTS: Accounts = Map()


def _account_after(account: Account | None, data: EventData | None, at: datetime) -> Account | None:
    """The account after an event of it. One that is repeated, or older than what is known, changes nothing; so does what is no event of accounts."""
    before = account or Account()
    match data:
        case AccountOpened():
            # An account is bound once, for ever. Whoever opened it is its first member.
            bound = replace(before, business_id=before.business_id or data.business_id)
            return _added(bound, data.actor.user_id, data.actor.role, None, at)
        case AccountMemberAdded():
            return _added(before, data.user_id, data.role, data.case_id, at)
        case AccountMemberRemoved():
            return _removed(before, data.user_id, data.case_id, at)
        case _:
            return account


def _added(account: Account, user_id: str, role: Role, case_id: UUID | None, at: datetime) -> Account:
    before = account.members.get((user_id, case_id))
    if before is not None and at < (before.until or before.said):
        return account
    since = at if before is None or before.until is not None else before.since
    return replace(account, members={**account.members, (user_id, case_id): Member(role, since, at)})


def _removed(account: Account, user_id: str, case_id: UUID | None, at: datetime) -> Account:
    """The account without a member: of a case where one is named, and else of the account and of all its cases."""
    gone = {
        place: replace(member, until=at)
        for place, member in account.members.items()
        if place[0] == user_id and case_id in (None, place[1]) and member.until is None and member.since <= at
    }
    return replace(account, members={**account.members, **gone})


def accounts_after(accounts: Accounts, changes: Iterable[Change]) -> Accounts:
    """Return the accounts after more events of them. One that is repeated, or older than what is known, changes nothing."""
    draft = accounts.mutate()
    for change in changes:
        after = _account_after(draft.get(change.key), change.data, change.time)
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


def role_or_wait(
    actor: Actor, case_id: UUID, accounts: Accounts, sent: datetime, since: datetime, now: datetime
) -> Role | datetime | None:
    """Return the role in which a user was invited; or when to look again, where the event is here `since` a moment only; or None."""
    later = (since + after for after in ASKED_AFTER if since + after > now)
    return role_of(actor, case_id, accounts, sent) or next(later, None)


def is_strongly_authenticated(actor: Actor) -> bool:
    """Return whether it is sure enough who acts (A2)."""
    return actor.assurance in _STRONG

"""Who may act for which customer account, as the events of the topic `accounts` tell it (A2, A3). Pure.

Every service that judges a user follows the topic and keeps its own snapshot; this is the one judgement that they share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from .account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from .event import EventData, Role


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


def account_after(account: Account | None, data: EventData | None, at: datetime) -> Account | None:
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

"""The customer accounts as they stand: which organisation each is bound to, and who may act for it (A2, A3).

A snapshot shares its parts with the one before it, as that of the registers does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from immutables import Map
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.event import Role
from servicecert_worker.decider import Change


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
    members: Map[tuple[str, UUID | None], Member] = field(default_factory=Map)

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


Accounts = Map[str, Account]
NO_ACCOUNTS: Accounts = Map()


def apply(accounts: Accounts, changes: Iterable[Change]) -> Accounts:
    """The accounts after more events of them. An event that is repeated, or older than what is known, changes nothing."""
    draft = accounts.mutate()
    for change in changes:
        account = draft.get(change.key, Account())
        match change.data:
            case AccountOpened() as data:
                # An account is bound once, for ever. Whoever opened it is its first member.
                bound = account.business_id or data.business_id
                account = _added(
                    replace(account, business_id=bound), data.actor.user_id, data.actor.role, None, change.time
                )
            case AccountMemberAdded() as data:
                account = _added(account, data.user_id, data.role, data.case_id, change.time)
            case AccountMemberRemoved() as data:
                account = _removed(account, data.user_id, data.case_id, change.time)
            case _:
                continue
        draft[change.key] = account
    return draft.finish()


def _added(account: Account, user_id: str, role: Role, case_id: UUID | None, at: datetime) -> Account:
    before = account.members.get((user_id, case_id))
    if before is not None and at < (before.until or before.said):
        return account
    since = at if before is None or before.until is not None else before.since
    return replace(account, members=account.members.set((user_id, case_id), Member(role, since, at)))


def _removed(account: Account, user_id: str, case_id: UUID | None, at: datetime) -> Account:
    """The account without a member: of a case where one is named, and else of the account and of all its cases."""
    members = account.members
    for (user, case), member in account.members.items():
        if user == user_id and case_id in (None, case) and member.until is None and member.since <= at:
            members = members.set((user, case), replace(member, until=at))
    return replace(account, members=members)

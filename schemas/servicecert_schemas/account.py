"""Customer accounts of the e-service, and their members (topic `accounts`)."""

from typing import ClassVar
from uuid import UUID

from .event import Actor, EventData, Role
from .open_list import Open
from .values import BusinessId, Identifier, PublicText, UserId


class AccountEvent(EventData):
    """An event of one account, whose id is the key."""

    account_id: Identifier
    actor: Actor

    def key(self) -> str:
        return self.account_id


class AccountOpened(AccountEvent):
    """An organisation's account was opened; it is bound to that organisation."""

    TYPE: ClassVar[str] = "servicecert.account.opened.v1"

    business_id: BusinessId
    organisation_name: PublicText


class AccountMemberAdded(AccountEvent):
    """A user may act for the account from now on; a technical contact for the one case only."""

    TYPE: ClassVar[str] = "servicecert.account.member-added.v1"

    user_id: UserId
    role: Open[Role]
    invited_by: UserId
    case_id: UUID | None = None


class AccountMemberRemoved(AccountEvent):
    """A user may no longer act for the account, or, where a case is named, for that case."""

    TYPE: ClassVar[str] = "servicecert.account.member-removed.v1"

    user_id: UserId
    role: Open[Role]
    invited_by: UserId | None = None
    case_id: UUID | None = None

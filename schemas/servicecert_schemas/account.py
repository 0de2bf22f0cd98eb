"""Customer accounts of the e-service, and their members (topic `accounts`)."""

from typing import ClassVar
from uuid import UUID

from .event import Actor, EventData, Role
from .open_list import Open
from .values import AccountId, BusinessId, PublicText, UserId


class AccountEvent(EventData):
    """An event of one account, whose id is the key."""

    account_id: AccountId
    actor: Actor

    def key(self) -> str:
        return self.account_id


class AccountOpened(AccountEvent):
    """Send this when an organisation's account is opened, before its first application; again it changes nothing."""

    TYPE: ClassVar[str] = "servicecert.account.opened.v1"

    business_id: BusinessId
    """The organisation that the account is bound to, for ever."""
    organisation_name: PublicText
    """Its name in the e-service. Certificates have the one of the code service."""


class AccountMemberAdded(AccountEvent):
    """Send this when a user is invited, and before they act."""

    TYPE: ClassVar[str] = "servicecert.account.member-added.v1"

    user_id: UserId
    """Who may act from now on."""
    role: Open[Role]
    """What the user may do (A3). It replaces an earlier role."""
    invited_by: UserId
    """Who invited the user. The right to invite is that of `actor` (A2)."""
    case_id: UUID | None = None
    """The one case that the user reaches, mandatory for a technical contact (A3); null for the whole account."""


class AccountMemberRemoved(AccountEvent):
    """Send this when a user may no longer act for the account, or for one case."""

    TYPE: ClassVar[str] = "servicecert.account.member-removed.v1"

    user_id: UserId
    """Who may no longer act."""
    role: Open[Role]
    """The role that the user had."""
    invited_by: UserId | None = None
    """Who had invited the user, if known."""
    case_id: UUID | None = None
    """The one case that the user leaves; null for the account and all its cases."""

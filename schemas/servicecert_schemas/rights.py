"""What each role may do in a case and for an account (A2, A3, D2): one table, for our services and the e-service.

The role is that of the user's membership (topic `accounts`). The role that an event claims gives no right: it only
tells the authority's operators from customers, and an operator has no right of a customer.
"""

from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from .account import AccountMemberAdded, AccountMemberRemoved
from .application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    CsrAttached,
)
from .event import EventData, Role
from .open_list import UnknownMember, value_of
from .revocation import RevocationReason, RevocationRequested


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

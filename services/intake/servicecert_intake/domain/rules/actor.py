"""Who may bring an event of an application about (A2, A3)."""

from datetime import datetime

from servicecert_schemas.application import ApplicationEvent, CsrAttached
from servicecert_schemas.event import Assurance, Role

from ..accounts import Accounts
from ..answers import AnswerCode

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})
_APPLICANTS = frozenset({Role.COLLEAGUE, Role.TECHNICAL_PARTNER})


def membership(event: ApplicationEvent, accounts: Accounts, sent: datetime) -> Role | None:
    """The role in which the event's user was invited to act in its case, if at all.

    Nobody acts for an account of which it is not known whose it is: it could apply for any organisation.
    """
    account = accounts.get(event.actor.account_id)
    if account is None or account.business_id is None:
        return None
    return account.member(event.actor.user_id, event.case_id, sent)


def objection(event: ApplicationEvent, invited_as: Role) -> AnswerCode | None:
    """Why a user who was invited may not do this, if there is a reason.

    A technical contact was invited for the certificate request alone (A3). Who acts in a lesser role than the invitation's has the lesser's rights.
    """
    actor = event.actor
    if actor.assurance not in _STRONG:
        return AnswerCode.NOT_STRONGLY_AUTHENTICATED
    if invited_as in _APPLICANTS and actor.role in _APPLICANTS:
        return None
    attaches_request = isinstance(event, CsrAttached) and actor.role is not Role.OPERATOR
    return None if attaches_request else AnswerCode.ROLE_NOT_ALLOWED

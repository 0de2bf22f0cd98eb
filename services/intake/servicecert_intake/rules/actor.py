"""Who may bring an event of an application about (A2, A3)."""

from servicecert_schemas.application import ApplicationEvent, CsrAttached
from servicecert_schemas.event import Assurance, Role

from .. import answers
from .wording import Wording

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})
_APPLICANTS = frozenset({Role.COLLEAGUE, Role.TECHNICAL_PARTNER})


def objection(event: ApplicationEvent, account_id: str) -> Wording | None:
    """Why this user may not do this in a case of `account_id`, if there is a reason.

    A technical contact was invited for the certificate request alone (A3).
    """
    actor = event.actor
    if actor.assurance not in _STRONG:
        return answers.NOT_STRONGLY_AUTHENTICATED
    if actor.account_id != account_id:
        return answers.ANOTHER_ACCOUNT
    attaches_request = isinstance(event, CsrAttached) and actor.role is Role.TECHNICAL_CONTACT
    return None if actor.role in _APPLICANTS or attaches_request else answers.ROLE_NOT_ALLOWED

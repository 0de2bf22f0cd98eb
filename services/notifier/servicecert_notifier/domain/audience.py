"""Who is told what (C1, C4, D5, E3). Pure.

What a kind of mail says is for its audience and nobody else: a functional mailbox, which many read, gets what concerns a certificate that exists; who was
invited to attach a request gets the invitation; and only the orderer reads the reference of its own books.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from servicecert_schemas.certificate import Recipient, RecipientRole, Recipients
from servicecert_schemas.mail import MailKind

_EVERYBODY = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)
_APPLICANTS = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT)

AUDIENCES: Mapping[MailKind, tuple[RecipientRole, ...]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: (RecipientRole.TECHNICAL_CONTACT,),
        MailKind.APPLICATION_RETURNED: _APPLICANTS,
        MailKind.APPLICATION_NEARS_LAPSE: _APPLICANTS,
        MailKind.APPLICATION_LAPSED: _APPLICANTS,
        MailKind.APPLICATION_REFUSED: _APPLICANTS,
        MailKind.CERTIFICATE_ISSUED: _EVERYBODY,
        MailKind.EXPIRES_IN_60_DAYS: _EVERYBODY,
        MailKind.EXPIRES_IN_30_DAYS: _EVERYBODY,
        MailKind.EXPIRES_IN_7_DAYS: _EVERYBODY,
        MailKind.CERTIFICATE_REVOKED: _EVERYBODY,
        MailKind.ADDRESS_REFUSED: _EVERYBODY,
    }
)
"""The roles that each kind of mail is for. That an address was refused is told to one of them only: see `refusals`."""


def addressed(recipients: Recipients, kind: MailKind) -> tuple[tuple[Recipient, int], ...]:
    """The recipients whom a mail of this kind is for, each address once, each with its place among those of its role.

    Where nobody has a role that the mail is for, it goes to the first recipient: somebody has to know.
    """
    once = tuple(_addressed_once(recipients, AUDIENCES[kind]))
    return once or tuple(_addressed_once(recipients[:1], _EVERYBODY))


def _addressed_once(recipients: Recipients, roles: tuple[RecipientRole, ...]) -> Iterator[tuple[Recipient, int]]:
    """The recipients of some roles with different addresses. A domain has no case, a local part may have (RFC 5321 section 2.4): who waits for the

    outcome of every recipient's mail counts addresses the same way.
    """
    seen: set[tuple[str, str]] = set()
    places: dict[RecipientRole, int] = {}
    for recipient in recipients:
        local, _, domain = recipient.email.rpartition("@")
        address = (local, domain.lower())
        if recipient.role in roles and address not in seen:
            seen.add(address)
            places[recipient.role] = places.get(recipient.role, 0) + 1
            yield recipient, places[recipient.role]

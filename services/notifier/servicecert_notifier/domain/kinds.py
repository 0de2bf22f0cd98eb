"""What each kind of mail is for: its audience, and which mails it makes outdated (C4, E3)."""

from collections.abc import Mapping
from types import MappingProxyType

from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind

REMINDERS = (MailKind.EXPIRES_IN_60_DAYS, MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_7_DAYS)
"""The reminders of a certificate's end."""

ALL_ROLES = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT, RecipientRole.SHARED_MAILBOX)
"""Every role in a case, the one to write to first in front."""

_APPLICANTS = (RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT)

AUDIENCES: Mapping[MailKind, tuple[RecipientRole, ...]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: (RecipientRole.TECHNICAL_CONTACT,),
        MailKind.APPLICATION_RETURNED: _APPLICANTS,
        MailKind.APPLICATION_NEARS_LAPSE: _APPLICANTS,
        MailKind.APPLICATION_LAPSED: _APPLICANTS,
        MailKind.APPLICATION_REFUSED: _APPLICANTS,
        **dict.fromkeys((MailKind.CERTIFICATE_ISSUED, *REMINDERS, MailKind.ADDRESS_REFUSED), ALL_ROLES),
        MailKind.CERTIFICATE_REVOKED: (*ALL_ROLES, RecipientRole.REQUESTER),
    }
)
"""The roles that each kind of mail is for. One of them only gets ADDRESS_REFUSED: see `settling`."""

_TO_DO = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED, MailKind.APPLICATION_NEARS_LAPSE))
SUPERSEDES: Mapping[MailKind, frozenset[MailKind]] = MappingProxyType(
    {
        MailKind.CSR_INVITED: _TO_DO,
        MailKind.APPLICATION_RETURNED: _TO_DO,
        MailKind.APPLICATION_NEARS_LAPSE: frozenset((MailKind.APPLICATION_NEARS_LAPSE,)),
        MailKind.APPLICATION_LAPSED: _TO_DO,
        MailKind.APPLICATION_REFUSED: _TO_DO,
        MailKind.CERTIFICATE_ISSUED: _TO_DO,
        **{kind: frozenset(REMINDERS[: place + 1]) for place, kind in enumerate(REMINDERS)},
        MailKind.CERTIFICATE_REVOKED: frozenset((*REMINDERS, MailKind.CERTIFICATE_REVOKED)),
    }
)
"""The kinds that a new mail of the same case makes outdated: the task is done or over, or a newer reminder follows."""

LIMITED = frozenset((MailKind.CSR_INVITED, MailKind.APPLICATION_RETURNED))
"""The kinds that a customer can cause again and again."""

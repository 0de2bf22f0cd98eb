"""The texts of the revocation reasons (D2), for forms, mails and commands."""

from types import MappingProxyType

from .event import Role
from .open_list import UnknownMember, value_of
from .revocation import RevocationReason
from .values import Texts

REASONS = MappingProxyType(
    {
        RevocationReason.KEY_EXPOSED: Texts(
            sv="den privata nyckeln har avslöjats eller misstänks ha avslöjats",
            fi="yksityinen avain on paljastunut tai sen epäillään paljastuneen",
            en="the private key has been exposed or is suspected to have been exposed",
        ),
        RevocationReason.NO_LONGER_NEEDED: Texts(
            sv="certifikatet behövs inte längre",
            fi="varmennetta ei enää tarvita",
            en="the certificate is no longer needed",
        ),
        RevocationReason.PURPOSE_OR_DATA_CHANGED: Texts(
            sv="användningsändamålet eller uppgifterna har ändrats",
            fi="käyttötarkoitus tai tiedot ovat muuttuneet",
            en="the purpose of use or the data have changed",
        ),
        RevocationReason.PRIVILEGE_WITHDRAWN: Texts(
            sv="myndigheten har återkallat rätten att använda certifikatet",
            fi="viranomainen on peruuttanut oikeuden käyttää varmennetta",
            en="the authority has withdrawn the right to use the certificate",
        ),
    }
)

_CUSTOMERS = frozenset(RevocationReason) - {RevocationReason.PRIVILEGE_WITHDRAWN}

ALLOWED = MappingProxyType(
    {
        Role.COLLEAGUE: _CUSTOMERS,
        Role.TECHNICAL_PARTNER: _CUSTOMERS,
        # The holder of the key may report that it is exposed. The decision belongs to others (A3).
        Role.TECHNICAL_CONTACT: frozenset({RevocationReason.KEY_EXPOSED}),
        Role.OPERATOR: frozenset(RevocationReason),
    }
)
"""The reasons that each role may give. A second operator confirms an operator's request."""


def may_give(role: Role | UnknownMember, reason: RevocationReason | UnknownMember) -> bool:
    """Return whether a role may give a reason. An unknown role may give none.

    A reason that this version does not know may be given by those who may give every reason of a customer.
    """
    allowed = value_of(ALLOWED, role, frozenset())
    return allowed >= _CUSTOMERS if isinstance(reason, UnknownMember) else reason in allowed


def reason_named(text: str) -> RevocationReason | None:
    """Return the reason with this code, or this text in one of the three languages, ignoring case and spacing."""
    chosen = " ".join(text.casefold().split()).rstrip(".")
    for reason, texts in REASONS.items():
        if chosen in (reason.value, texts.sv.casefold(), texts.fi.casefold(), texts.en.casefold()):
            return reason
    return None

"""The reasons for a revocation in words (D2): the one table that forms, mails and commands show, and read what people choose by."""

from types import MappingProxyType

from .event import Role
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
        # Who holds the key may say that it is exposed, and nothing else of a decision that is another's (A3).
        Role.TECHNICAL_CONTACT: frozenset({RevocationReason.KEY_EXPOSED}),
        Role.OPERATOR: frozenset(RevocationReason),
    }
)
"""Which reasons a role may give. What operators ask for is confirmed by a second one besides."""


def reason_named(text: str) -> RevocationReason | None:
    """The reason that somebody chose: by its code, or by its words in any of the three languages, in any case and spacing."""
    chosen = " ".join(text.casefold().split()).rstrip(".")
    for reason, texts in REASONS.items():
        if chosen in (reason.value, texts.sv.casefold(), texts.fi.casefold(), texts.en.casefold()):
            return reason
    return None

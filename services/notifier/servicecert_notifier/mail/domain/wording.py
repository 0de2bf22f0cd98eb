"""The words of each language for types, reasons, roles and times.

They are in `texts/<language>/words.toml`, those of the revocation reasons in the schemas.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from servicecert_pki.validity import HELSINKI
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind
from servicecert_schemas.revocation import REASONS, RevocationReason
from servicecert_schemas.values import CertificateType, Language


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one language. `months` have the form that follows a day's number; `kinds` are names of mails."""

    day: str
    moment: str
    months: tuple[str, ...]
    types: dict[CertificateType, str]
    reasons: dict[RevocationReason, str]
    recipients: dict[RecipientRole, str]
    kinds: dict[MailKind, str]

    def day_of(self, instant: datetime) -> str:
        local = instant.astimezone(HELSINKI)
        return self.day.format(at=local, month=self.months[local.month - 1])

    def moment_of(self, instant: datetime) -> str:
        """Return the time to the second in Finland, with its offset from UTC."""
        local = instant.astimezone(HELSINKI)
        hours = "+3" if local.dst() else "+2"
        return self.moment.format(at=local, month=self.months[local.month - 1], hours=hours)


def _read(language: Language) -> Wording:
    words = tomllib.loads((files(__package__) / "texts" / language / "words.toml").read_text("utf-8"))
    return Wording(
        day=words["day"],
        moment=words["moment"],
        months=tuple(words["months"]),
        types={kind: words["types"][kind] for kind in CertificateType},
        reasons={reason: texts.in_language(language) for reason, texts in REASONS.items()},
        recipients={role: words["recipients"][role] for role in RecipientRole},
        kinds={kind: words["told"][kind] for kind in MailKind},
    )


WORDING = {language: _read(language) for language in Language}
"""The words of every language, read once."""

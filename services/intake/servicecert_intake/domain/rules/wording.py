"""Words with a stable code, in the three languages of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from servicecert_schemas.case import Deficiency
from servicecert_schemas.values import Texts


@dataclass(frozen=True, slots=True)
class Wording:
    """A code and its texts. A text may hold places such as `{value}` that are filled in when it is used; several values are told in quotation marks."""

    code: str
    sv: str
    fi: str
    en: str

    def texts(self, **values: str | Sequence[str]) -> Texts:
        """The texts with their places filled in."""
        northern, english = _told(values, "”"), _told(values, "“")
        return Texts(sv=self.sv.format(**northern), fi=self.fi.format(**northern), en=self.en.format(**english))


def _told(values: Mapping[str, str | Sequence[str]], opening: str) -> dict[str, str]:
    return {
        place: value if isinstance(value, str) else ", ".join(f"{opening}{each}”" for each in value)
        for place, value in values.items()
    }


class Severity(StrEnum):
    """What a deficiency does to its case: returned to be mended (A10), returned and checked again each night without the applicant (A11), refused (A8)."""

    RETURNED = "returned"
    RECHECKED = "rechecked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack(Wording):
    """The wording of a deficiency (A10). `field` is the field of the form; `severity` is REFUSED where no supplement can help."""

    field: str
    severity: Severity = Severity.RETURNED

    def deficiency(self, field: str | None = None, **values: str | Sequence[str]) -> Deficiency:
        """The deficiency itself; `field` where one of several is meant, such as `names.dns[2]`."""
        return Deficiency(code=self.code, field=field or self.field, texts=self.texts(**values))

"""All deficiencies of applications: code, field of the form, and severity (A10).

The texts with what to do are in `domain/texts/`, by code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from servicecert_pki.csr_faults import FAULTS
from servicecert_schemas.case import Deficiency
from servicecert_schemas.values import Language, Texts, Usage
from servicecert_worker.core.texts import read_texts

Filling: TypeAlias = str | Texts | Sequence[str]
"""What fills a placeholder: a text, the same in all languages or not, or several, which are quoted."""


class Severity(StrEnum):
    """The effect on the case: returned (A10), returned and judged again each night (A11), or refused (A8)."""

    RETURNED = "returned"
    REASSESSED = "rechecked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Lack:
    """A kind of deficiency. `key` names its text where a code has a second one."""

    code: str
    field: str
    severity: Severity = Severity.RETURNED
    key: str = ""

    def deficiency(self, field: str | None = None, **values: Filling) -> Deficiency:
        """Return the deficiency, with placeholders filled in; `field` names one of several, such as `names.dns[2]`."""
        texts = filled(TEXTS[self.key or self.code], **values)
        return Deficiency(code=self.code, field=field or self.field, texts=texts)


def filled(texts: Texts, **values: Filling) -> Texts:
    """Return a text with its placeholders filled in."""
    return Texts(
        **{
            language: texts.in_language(language).format(
                **{name: _in_language(value, language) for name, value in values.items()}
            )
            for language in Language
        }
    )


def _in_language(value: Filling, language: Language) -> str:
    if isinstance(value, Texts):
        return value.in_language(language)
    opening = "“" if language is Language.ENGLISH else "”"
    return value if isinstance(value, str) else ", ".join(f"{opening}{each}”" for each in value)


def choice(options: Iterable[str | Texts]) -> Texts:
    """Return options as `a`, `a or b`, `a, b or c`, in each language."""
    each = tuple(options)
    return Texts(**{language: _joined(each, language) for language in Language})


def _joined(options: tuple[str | Texts, ...], language: Language) -> str:
    *most, last = (_in_language(option, language) for option in options)
    return f"{', '.join(most)} {WORDS['or'].in_language(language)} {last}" if most else last


_SHOWN = 60
"""How many characters of a typed name a deficiency's text repeats."""


def printable(typed: str) -> str:
    """Return a typed text for a deficiency: shortened, so that many fit an event, without unprintable characters."""
    visible = "".join(character if character.isprintable() else "\ufffd" for character in typed[:_SHOWN])
    return visible if len(typed) <= _SHOWN else f"{visible}…"


Deficiencies = tuple[Deficiency, ...]
"""The result of a rule: empty where it is met. A rule that also returns a value returns None with deficiencies."""

_REASSESSED, _REFUSED = Severity.REASSESSED, Severity.REFUSED

CANARY_FOR_PRODUCTION = Lack("canary-for-production", "type")
BUSINESS_ID_FORM = Lack("business-id-form", "applicant.business_id")
BUSINESS_ID_CHECK_DIGIT = Lack("business-id-check-digit", "applicant.business_id")
APPLICANT_NOT_REGISTERED = Lack("applicant-not-registered", "applicant.business_id", _REASSESSED)
APPLICANT_OF_ANOTHER_ACCOUNT = Lack("applicant-of-another-account", "applicant.business_id")
FOLLOWS_UNKNOWN = Lack("follows-unknown", "follows")
ORGANISATION_OID_MISMATCH = Lack("organisation-oid-mismatch", "applicant.organisation_oid", _REASSESSED)
CAPACITY_MISMATCH = Lack("capacity-mismatch", "applying_as", _REASSESSED)
CAPACITY_SUPPLIER = Lack("capacity-mismatch", "applying_as", _REASSESSED, key="capacity-supplier")
SUPPLIER_CANNOT_APPLY = Lack("supplier-cannot-apply", "applying_as", _REFUSED)
SIGNATORY_MISSING = Lack("signatory-missing", "signatory")
SIGNATORY_WITHOUT_LETTERS = Lack("signatory-without-letters", "signatory.name")
SIGNED_IN_FUTURE = Lack("signed-in-future", "signatory.signed_at")
SIGNED_BEFORE_ACCOUNT = Lack("signed-before-account", "signatory.signed_at")
INTERMEDIARY_NOT_LISTED = Lack("intermediary-not-listed", "applying_as", _REASSESSED)
INTERMEDIARY_MARK_MISSING = Lack("intermediary-mark-missing", "technical_contact.organisation")
INTERMEDIARY_MARK_UNFOUNDED = Lack("intermediary-mark-unfounded", "technical_contact.organisation", _REASSESSED)
UNIT_NOT_FOUND = Lack("unit-not-found", "unit_long_name", _REASSESSED)
UNIT_NOT_FOUND_BUT_CLOSE = Lack("unit-not-found", "unit_long_name", _REASSESSED, key="unit-not-found-but-close")
UNIT_OF_ANOTHER = Lack("unit-of-another-organisation", "unit_long_name", _REASSESSED)
UNIT_NAME_TOO_LONG = Lack("unit-name-too-long", "unit_long_name", _REASSESSED)
ORGANISATION_NAME_TOO_LONG = Lack("organisation-name-too-long", "applicant.business_id", _REASSESSED)
SYSTEM_NAME_UNFIT = Lack("system-name-unfit", "information_system.name")
SYSTEM_MISSING = Lack("information-system-missing", "information_system")
CONFORMITY_MISSING = Lack("conformity-certificate-missing", "attachments")
CONFORMITY_MISSING_WITHOUT_SECTOR = Lack(
    "conformity-certificate-missing", "attachments", key="conformity-certificate-missing-without-sector"
)
CONFORMITY_OTHER_SYSTEM = Lack("conformity-certificate-other-system", "attachments")
CONFORMITY_NOT_VALID = Lack("conformity-certificate-not-valid", "attachments")
CONFORMITY_UNKNOWN = Lack("conformity-certificate-unknown", "attachments", _REASSESSED)
EMAIL_WRONG = Lack("email-wrong", "orderer.email")
START_DATE_PAST = Lack("start-date-past", "start_date")
START_DATE_TOO_LATE = Lack("start-date-too-late", "start_date")
VALIDITY_TOO_LONG = Lack("validity-too-long", "validity_days")
DNS_NAMES_TOO_MANY = Lack("dns-names-too-many", "names.dns")
DNS_NAMES_TOO_LONG = Lack("dns-names-too-many", "names.dns", key="dns-names-too-long")
IP_ADDRESSES_TOO_MANY = Lack("ip-addresses-too-many", "names.ip")
NAMES_NOT_FOR_TYPE = Lack("names-not-for-type", "names")
DNS_NAME_MISSING = Lack("dns-name-missing", "names.dns")
COMMON_NAME_MISSING = Lack("common-name-missing", "names.dns")
IP_ADDRESSES = MappingProxyType(
    {f"ip-address-{wrong}": Lack(f"ip-address-{wrong}", "names.ip") for wrong in ("form", "reserved")}
)
"""Faults of an IP address, by the code of `servicecert_pki.names`."""

NAME_LETTERS = Lack("name-letters", "unit_long_name")
REGISTERED_NAME_LETTERS = Lack("registered-name-letters", "unit_long_name", _REASSESSED)
USAGES_MISSING = Lack("usages-missing", "usages")
USAGES_NOT_ALLOWED = Lack("usages-not-allowed", "usages")
USAGES_NOT_FOR_TYPE = Lack("usages-not-for-type", "usages")
DNS_NAMES = MappingProxyType(
    {
        f"dns-name-{wrong}": Lack(f"dns-name-{wrong}", "names.dns")
        for wrong in (
            *("idn", "wildcard", "underscore", "length", "labels", "form", "address"),
            *("letters", "unowned", "public-suffix"),
        )
    }
)
"""Faults of a host name, by the code of `servicecert_pki.names`."""

CSR_REFUSED = Lack("csr-refused", "csr")
CSR_FAULTS = MappingProxyType(
    {
        code: Lack(code, "csr")
        for code in (*(fault.code for fault in FAULTS), "key-of-another-organisation", "key-shared-prime")
    }
)
"""Faults of a request, by the code of `servicecert_pki.csr_faults`, and two from the table of keys (A4)."""

LACKS: tuple[Lack, ...] = (
    *(each for each in tuple(globals().values()) if isinstance(each, Lack)),
    *DNS_NAMES.values(),
    *IP_ADDRESSES.values(),
    *CSR_FAULTS.values(),
)
"""All kinds, each once. A code has a second kind where the text has more to say, such as the closest names."""

SEVERITIES = MappingProxyType({lack.code: lack.severity for lack in LACKS})
"""The severity of each code."""

TEXTS = read_texts("servicecert_intake.domain", "deficiencies", (lack.key or lack.code for lack in LACKS))
WORDS = read_texts("servicecert_intake.domain", "limits", ("or", *Usage))
"""The words of usages, and the conjunction of a choice."""

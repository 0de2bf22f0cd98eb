"""The values in events, each validated once, when it is read.

There are two kinds. *Strict* values (a business id with its check digit, a serial number) come from the services and
from the e-service itself, like keys, ids, hashes and references. They are as they came, or the event is refused.
*Typed* values (`Text`, `PublicText`, `AddressText`, `LongText`) come from people, and are cleaned of what nobody sees
before anything looks at them (A8, D5). They have only a length limit: intake's rules check them and explain faults, and
the event is never refused for them.

A text is personal data unless its type, or its field, says NAMES_NOBODY (E3). So a new field without it counts as
personal, and a topic that would keep it for ever cannot be declared (see `topics`).
"""

import re
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from operator import mul
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from .characters import cleaned

NAMES_NOBODY = "names nobody"
"""The mark of a text that holds no personal data."""

# What the numbers of events can mean at most (F5): a service may work in proportion to any of them.
MOST_PARTITIONS = 1_024
"""The most partitioned CRLs of a CA. Services take no setting that needs more."""
MOST_DAYS = 3_660
"""The longest validity that a service is asked for. Profiles allow less (B1)."""
MOST_COUNTED = 2**31 - 1
"""The largest count. Tables hold counts as 32-bit integers."""
MOST_NUMBERED = 2**53 - 1
"""The largest sequence number: every JSON reader represents it exactly (RFC 8259 section 6)."""
FIRST_YEAR = 1950
LAST_YEAR = 2999
"""The last year of times. No time zone or period makes one overflow."""

_BUSINESS_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2)


def at_most(count: int) -> Any:
    """Return the bound of a list. Its reading ends at its first faulty element, so that it has few faults (F5)."""
    return Field(max_length=count, fail_fast=True)


def is_business_id(text: str) -> bool:
    """Return whether `text` is a Finnish business id: seven digits, a hyphen and the right check digit (A5)."""
    digits, hyphen, check = text[:7], text[7:8], text[8:]
    if not (len(text) == 9 and text.isascii() and digits.isdigit() and hyphen == "-" and check.isdigit()):
        return False
    remainder = sum(map(mul, _BUSINESS_ID_WEIGHTS, map(int, digits))) % 11
    return remainder != 1 and int(check) == (11 - remainder if remainder else 0)


def organisation_oid(business_id: str) -> str:
    """Return the organisation OID of a business id, without hyphen and leading zero (A5)."""
    return f"1.2.246.10.{int(business_id.replace('-', ''))}"


def _business_id(text: str) -> str:
    if not is_business_id(text):
        raise ValueError("is not a business id: seven digits, a hyphen and a matching check digit, such as 0204819-8")
    return text


def in_utc(instant: datetime) -> datetime:
    """Return the time in UTC. Raise ValueError for a year that later calculations could overflow."""
    return _in_years(instant).astimezone(UTC)


_Dated = TypeVar("_Dated", bound=date)


def _in_years(day: _Dated) -> _Dated:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return day


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A time with its time zone, converted to UTC."""

NotBefore = Instant
"""The first moment of the certificate's validity."""

NotAfter = Instant
"""The last moment of the certificate's validity, inclusive (RFC 5280)."""

FirstDay = date
"""The first day on which it is in force."""

LastDay = date
"""The last day on which it is in force. Null, where it may be: until further notice."""

Day = Annotated[
    date,
    AfterValidator(_in_years),
    WithJsonSchema({"type": "string", "format": "date", "pattern": "^(19[5-9][0-9]|2[0-9]{3})-"}),
]
"""A day that a service reckons with. What people type is any `date`, and judged by intake."""

# PostgreSQL cannot store U+0000.
_STORABLE = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(cleaned)]
"""One line that a person typed: a name, a title, an address as written."""

PublicText = Annotated[Text, NAMES_NOBODY]
"""One line of a public register: the name of an organisation or an information system, or a number there."""

AddressText = Annotated[str, StringConstraints(max_length=500), AfterValidator(cleaned)]
"""A typed host name or e-mail address. The limit exceeds any valid one, so that intake can explain its length."""

LongText = Annotated[str, StringConstraints(max_length=4_000), AfterValidator(cleaned)]
"""Several sentences, typed or for people."""

CsrText = Annotated[str, StringConstraints(max_length=65_536)]
"""A certificate request as sent: PEM, or base64 of DER, with U+0000 if it was UTF-16. Intake checks and converts it.

The limit exceeds A4's 16 KiB, so that intake explains one that is too large."""

Base64 = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$", max_length=32_768
    ),
]
"""Bytes in base64 (RFC 4648 section 4)."""

Identifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$", max_length=128), NAMES_NOBODY
]
"""A technical name, of an account, a user, a profile or a certificate authority."""

AccountId = Identifier
"""The customer account, by the e-service's own id."""

CaId = Identifier
"""The issuing CA, such as production-ec."""

Code = Identifier
"""A stable code, for programs; docs/reference/codes.md has all of them."""

# The Finnish personal identity code, by its form and control character (decree 128/2010).
_PERSONAL_IDENTITY_CODE = re.compile(r"(?<![0-9A-Z])(\d{6})[-+A-FU-Y](\d{3})([0-9A-Y])(?![0-9A-Z])", re.IGNORECASE)
_CONTROL_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def _reference(text: str) -> str:
    for born, number, control in _PERSONAL_IDENTITY_CODE.findall(text):
        if _CONTROL_CHARACTERS[int(born + number) % 31] == control.upper():
            raise ValueError(
                "is a personal identity code: name a user by a reference of your own that holds no personal data"
            )
    return text


UserId = Annotated[Identifier, AfterValidator(_reference)]
"""A user, as a reference that only the e-service can resolve (E3), never an address, name or personal identity code."""

BusinessId = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{7}-[0-9]$", max_length=9), AfterValidator(_business_id), NAMES_NOBODY
]
"""A Finnish business id with its check digit (A5)."""

Oid = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9][0-9]{0,38})){1,30}$", max_length=200), NAMES_NOBODY]
"""An object identifier in dotted decimals."""

SerialNumber = Annotated[
    str,
    StringConstraints(
        pattern=r"^((0[1-9a-f]|[1-9a-f][0-9a-f])([0-9a-f]{2}){0,18}|(0[1-9a-f]|[1-7][0-9a-f])([0-9a-f]{2}){19})$",
        max_length=40,
    ),
    NAMES_NOBODY,
]
"""A certificate's serial number in lower-case hexadecimal: positive, its first octet not 0, and at most 20 octets
without the sign bit (RFC 5280 section 4.1.2.2). A CRL could not list any other."""

DecimalSerialNumber = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,48}$", max_length=49), NAMES_NOBODY]
"""The same serial number in decimal, as some tools show it."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64), NAMES_NOBODY]
"""A SHA-256 in lower-case hexadecimal: a certificate's fingerprint, a key's hash, an attachment's hash."""

Fingerprint = Sha256
"""The SHA-256 of the certificate in DER, in lower-case hexadecimal."""

KeySha256 = Sha256
"""The SHA-256 of the public key's SubjectPublicKeyInfo, in lower-case hexadecimal."""

DistinguishedName = Annotated[str, StringConstraints(pattern=_STORABLE, min_length=1, max_length=1_000), NAMES_NOBODY]
"""A subject as text (RFC 4514)."""

AttributeText = Annotated[str, StringConstraints(pattern=_STORABLE, min_length=1, max_length=64), NAMES_NOBODY]
"""One attribute of a subject. The limit is RFC 5280's upper bound (appendix A.1, ub-organization-name and others).

The profile of the certificate type may allow less: intake and issuer judge by that."""

EmailAddress = Annotated[
    str, StringConstraints(pattern=r'^[^@\s<>,;:"\\\x00-\x1f]{1,64}@[^@\s<>,;:"\\\x00-\x1f]{1,255}$', max_length=254)
]
"""One mailbox, local part and domain, without display name (RFC 5321 section 4.5.3.1 for the lengths)."""

DnsName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+$", max_length=253), NAMES_NOBODY]
"""A domain name in letters, digits, hyphens and dots. Intake checks its labels."""

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00]+$", max_length=500), NAMES_NOBODY]
"""The URL of a published file."""

IpAddress = Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:]{2,45}$", max_length=45), NAMES_NOBODY]
"""An IPv4 or IPv6 address in canonical form (RFC 5952)."""

Number = Annotated[int, Field(ge=0, le=MOST_NUMBERED)]
"""A sequence number, such as a CRL's, which is only compared."""

Count = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
"""A version, or a count of attempts or entries."""

Partition = Annotated[int, Field(ge=0, le=MOST_PARTITIONS)]
"""The number of a partitioned CRL; 0 is the full one."""

Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
"""A period of validity."""


class Language(StrEnum):
    """The language of the texts and mails of a case.

    Closed: every text exists in these languages (`Texts`).
    """

    SWEDISH = "sv"
    FINNISH = "fi"
    ENGLISH = "en"


class CertificateType(StrEnum):
    """One of the four service certificates.

    Closed: each type has its own rules, profile and CA; a reader without them can do nothing right.
    """

    SERVER = "server"
    TEST_SERVER = "test-server"
    SYSTEM_SIGNATURE = "system-signature"
    TEST_SYSTEM_SIGNATURE = "test-system-signature"

    @property
    def is_test(self) -> bool:
        return self in (CertificateType.TEST_SERVER, CertificateType.TEST_SYSTEM_SIGNATURE)

    @property
    def is_server(self) -> bool:
        return self in (CertificateType.SERVER, CertificateType.TEST_SERVER)


class Usage(StrEnum):
    """An extended key usage of a server certificate.

    Closed: without a usage that it does not know, a reader would issue another certificate than was applied for.
    """

    SERVER_AUTH = "server-auth"
    CLIENT_AUTH = "client-auth"


class Value(BaseModel):
    """A frozen part of an event. Unknown fields are ignored, so that newer writers can add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Texts(Value):
    """A text in the three languages of the service."""

    sv: LongText
    """In Swedish."""
    fi: LongText
    """In Finnish."""
    en: LongText
    """In English."""

    def in_language(self, language: Language) -> str:
        return {Language.SWEDISH: self.sv, Language.FINNISH: self.fi, Language.ENGLISH: self.en}[language]


_NO_TEXTS = (bool, int, date, datetime, AwareDatetime, UUID, Enum, type(None))


def personal_fields(model: type[BaseModel]) -> list[str]:
    """Return the names of the fields that may hold personal data, themselves or in a model in them."""
    return [name for name, field in model.model_fields.items() if _may_name(field.annotation, *field.metadata)]


def _may_name(kind: Any, *marks: Any) -> bool:
    """Return whether a value of this type may; a type that is not known here may, too."""
    if NAMES_NOBODY in marks or kind is Ellipsis or get_origin(kind) is Literal:
        return False
    if get_origin(kind) is Annotated:
        return _may_name(*get_args(kind))
    if parts := get_args(kind):
        return any(_may_name(part) for part in parts)
    if issubclass(kind, BaseModel):
        return bool(personal_fields(kind))
    return not issubclass(kind, _NO_TEXTS)

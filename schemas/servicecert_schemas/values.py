"""The values that events carry, each validated once, at the border.

Two kinds stand beside each other. *Strict* values (a business id with its check digit, a serial number) are what our services state.
*Typed-in* values (`Text`, `LongText`) are bounded and nothing more: a person wrote them, so a rule of intake judges them and answers in words,
and the event is never refused for them.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from operator import mul
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

_BUSINESS_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2)


def is_business_id(text: str) -> bool:
    """Whether `text` is a Finnish business id: seven digits, a hyphen and the right check digit (A5)."""
    digits, hyphen, check = text[:7], text[7:8], text[8:]
    if not (len(text) == 9 and text.isascii() and digits.isdigit() and hyphen == "-" and check.isdigit()):
        return False
    remainder = sum(map(mul, _BUSINESS_ID_WEIGHTS, map(int, digits))) % 11
    return remainder != 1 and int(check) == (11 - remainder if remainder else 0)


def organisation_oid(business_id: str) -> str:
    """The organisation OID that derives from a business id: hyphen and leading zero drop out (A5)."""
    return f"1.2.246.10.{int(business_id.replace('-', ''))}"


def _business_id(text: str) -> str:
    if not is_business_id(text):
        raise ValueError("is not a business id: seven digits, a hyphen and a matching check digit, such as 0204819-8")
    return text


def in_utc(instant: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError for a year that would overflow in another time zone or after an added term."""
    if not 1950 <= instant.year < 3000:
        raise ValueError("is not between the years 1950 and 2999")
    return instant.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A moment with its time zone, kept in UTC."""

# PostgreSQL stores every character but U+0000. Where a person typed one it is read as U+FFFD, so that the rules answer in words.
_STORABLE = r"^[^\x00]*$"


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd")


Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_storable)]
"""One line that a person typed: a name, a title, an address as written."""

AddressText = Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)]
"""A host name or an e-mail address as a person typed it. Wider than any can be, so that too long a one is answered in words."""

LongText = Annotated[str, StringConstraints(max_length=4_000), AfterValidator(_storable)]
"""Some sentences that a person typed or reads."""

CsrText = Annotated[str, StringConstraints(max_length=65_536)]
"""A certificate request as it was sent: PEM, or base64 of DER, with U+0000 where it was UTF-16. It is judged and not stored as it came.

Wider than A4's 16 KiB, so that too large a one is answered in words."""

Base64 = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$", max_length=32_768
    ),
]
"""Bytes in base64 (RFC 4648 section 4)."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$", max_length=128)]
"""A machine's name for a thing: an account, a user, a profile, a certificate authority."""

# The Finnish personal identity code, by its form and control character (decree 128/2010).
_PERSONAL_IDENTITY_CODE = re.compile(r"(?<![0-9A-Z])(\d{6})[-+A-FU-Y](\d{3})([0-9A-Y])(?![0-9A-Z])", re.IGNORECASE)
_CONTROL_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def _reference(text: str) -> str:
    for born, number, control in _PERSONAL_IDENTITY_CODE.findall(text):
        if _CONTROL_CHARACTERS[int(born + number) % 31] == control.upper():
            raise ValueError(
                "is a personal identity code: name a user by a reference of your own that says nothing of the person"
            )
    return text


UserId = Annotated[Identifier, AfterValidator(_reference)]
"""Who acts, by a reference of the e-service that only it can resolve (E3): never an address, a name or a personal identity code."""

BusinessId = Annotated[str, StringConstraints(pattern=r"^[0-9]{7}-[0-9]$", max_length=9), AfterValidator(_business_id)]
"""A Finnish business id with its check digit (A5)."""

Oid = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9][0-9]{0,38})){1,30}$", max_length=200)]
"""An object identifier in dotted decimals."""

SerialNumber = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,20}$", max_length=40)]
"""A certificate's serial number: lower-case hexadecimal, two digits an octet, at most 20 octets (RFC 5280 section 4.1.2.2)."""

DecimalSerialNumber = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,48}$", max_length=49)]
"""The same serial number as people read it in some tools."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", max_length=64)]
"""A SHA-256 in lower-case hexadecimal: a certificate's fingerprint, a key's hash, an attachment's hash."""

DistinguishedName = Annotated[str, StringConstraints(pattern=_STORABLE, min_length=1, max_length=1_000)]
"""A subject as text (RFC 4514)."""

AttributeText = Annotated[str, StringConstraints(pattern=_STORABLE, min_length=1, max_length=64)]
"""The text of one attribute of a subject (RFC 5280 appendix A.1: ub-organization-name and its neighbours count characters)."""

EmailAddress = Annotated[
    str,
    StringConstraints(pattern=r'^[^@\s<>,;:"\\\x00-\x1f]{1,64}@[^@\s<>,;:"\\\x00-\x1f]{1,255}$', max_length=254),
]
"""One mailbox, local part and domain, without display name (RFC 5321 section 4.5.3.1 for the lengths)."""

DnsName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+$", max_length=253)]
"""A domain name in letters, digits, hyphens and dots; its labels are intake's to judge."""

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00]+$", max_length=500)]
"""The address of something published."""

IpAddress = Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:]{2,45}$", max_length=45)]
"""An IPv4 or IPv6 address in its canonical text (RFC 5952)."""

Number = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A count, or a number that grows: within what every JSON reader keeps exactly (RFC 8259 section 6)."""


class Language(StrEnum):
    """The language a case is handled in."""

    SWEDISH = "sv"
    FINNISH = "fi"
    ENGLISH = "en"


class CertificateType(StrEnum):
    """The four service certificates."""

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
    """What a server certificate is used for: its extended key usages."""

    SERVER_AUTH = "server-auth"
    CLIENT_AUTH = "client-auth"


class Value(BaseModel):
    """A frozen part of an event. Unknown fields are ignored, so that a newer writer's additions do no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Texts(Value):
    """The same words in the three languages of the service."""

    sv: LongText
    fi: LongText
    en: LongText

    def in_language(self, language: Language) -> str:
        return {Language.SWEDISH: self.sv, Language.FINNISH: self.fi, Language.ENGLISH: self.en}[language]

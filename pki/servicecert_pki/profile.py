"""The profile of one certificate type. `profiles.py` reads it from a file, `profile_safety.py` checks its safety.

The parts that are annotated for pydantic are validated as they stand in a file, and not if code makes them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StrictBool, StrictInt, StrictStr, with_config

from .spki import KeyFamily, family_of, key_size

_STRICT = ConfigDict(extra="forbid")


class Environment(StrEnum):
    """Production and test never share a CA key, a CRL or a policy identifier (I11)."""

    PRODUCTION = "production"
    TEST = "test"


class KeyUsage(StrEnum):
    """The bits of RFC 5280, 4.2.1.3 that a service certificate may have."""

    DIGITAL_SIGNATURE = "digital-signature"
    NON_REPUDIATION = "non-repudiation"
    KEY_ENCIPHERMENT = "key-encipherment"


class Usage(StrEnum):
    """The extended key usages of RFC 5280, 4.2.1.12 that an applicant may choose."""

    SERVER_AUTH = "server-auth"
    CLIENT_AUTH = "client-auth"


class Attribute(StrEnum):
    """The attribute types of a subject (RFC 5280, appendix A)."""

    COUNTRY = "C"
    ORGANISATION = "O"
    UNIT = "OU"
    SERIAL_NUMBER = "serialNumber"
    COMMON_NAME = "CN"


class StringType(StrEnum):
    """The ASN.1 string type of an attribute (RFC 5280, 4.1.2.4)."""

    PRINTABLE = "printable"
    UTF8 = "utf8"


class SubjectField(StrEnum):
    """The values of a subject that come from the application and the registers."""

    ORGANISATION = "organisation"
    UNIT = "unit"
    BUSINESS_ID = "business-id"
    COMMON_NAME = "common-name"


class ExtensionName(StrEnum):
    """The extensions of RFC 5280, 4.2 that a service certificate may have."""

    AUTHORITY_KEY_IDENTIFIER = "authority-key-identifier"
    SUBJECT_KEY_IDENTIFIER = "subject-key-identifier"
    KEY_USAGE = "key-usage"
    EXTENDED_KEY_USAGE = "extended-key-usage"
    CERTIFICATE_POLICIES = "certificate-policies"
    SUBJECT_ALTERNATIVE_NAME = "subject-alternative-name"
    BASIC_CONSTRAINTS = "basic-constraints"
    CRL_DISTRIBUTION_POINTS = "crl-distribution-points"
    AUTHORITY_INFORMATION_ACCESS = "authority-information-access"


@with_config(_STRICT)
@dataclass(frozen=True)
class LongestValidity:
    """A limit in whole years for certificates that start on `since` or later."""

    years: StrictInt
    since: Annotated[date, Field(alias="from")] = date.min


@dataclass(frozen=True)
class KeyRules:
    """For one family of the applicant's keys: the CA that signs them, their sizes in bits, and their usage.

    A bit of `usage` is set together with the extended key usage that it has here, or always if that is None.
    """

    ca: str
    sizes: tuple[int, ...]
    usage: Mapping[KeyUsage, Usage | None]


@with_config(_STRICT)
@dataclass(frozen=True)
class SubjectAttribute:
    """One attribute of the subject: a fixed text, or the value of `field`, of at most `longest` characters."""

    attribute: Attribute
    string: StringType
    field: Annotated[SubjectField | None, Field(alias="from")] = None
    text: StrictStr = ""
    longest: StrictInt = 0


@with_config(_STRICT)
@dataclass(frozen=True)
class ExtensionRule:
    """One extension of the certificate."""

    name: ExtensionName
    critical: StrictBool = False


@dataclass(frozen=True)
class Profile:
    """What one certificate type may hold.

    `usages` is empty if the type has no extended key usage; `most_names` limits DNS names and IP addresses
    each. `digest` is the SHA-256 of the whole profile, in 64 lower-case hexadecimal digits.
    """

    type_id: str
    version: int
    environment: Environment
    policy: str
    longest_validity: tuple[LongestValidity, ...]
    backdating: timedelta
    keys: Mapping[KeyFamily, KeyRules]
    dns_names: bool
    most_names: int
    usages: frozenset[Usage]
    subject: tuple[SubjectAttribute, ...]
    extensions: tuple[ExtensionRule, ...]
    digest: str
    cps: str | None = None

    def __hash__(self) -> int:
        return hash(self.digest)

    def longest(self, field: SubjectField) -> int:
        """Return how many characters the subject's attribute of `field` holds at most."""
        return next(it.longest for it in self.subject if it.field is field)

    def allows_key(self, spki: bytes) -> bool:
        """Return whether a DER SubjectPublicKeyInfo has an allowed size; see `family_of` for what is raised."""
        return key_size(spki) in self.keys[family_of(spki)].sizes

    def key_usage(self, family: KeyFamily, usages: Collection[str]) -> frozenset[KeyUsage]:
        return frozenset(bit for bit, needs in self.keys[family].usage.items() if needs is None or needs in usages)

    def years_on(self, day: date) -> int:
        """Return the longest validity in years of a certificate that starts on `day`."""
        return max((limit for limit in self.longest_validity if limit.since <= day), key=lambda it: it.since).years

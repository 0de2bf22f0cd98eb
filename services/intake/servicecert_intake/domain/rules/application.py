"""The input and output of the rules."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from servicecert_pki.profile import KeyUsage
from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.certificate import ServerNames, Subject
from servicecert_schemas.membership import Account
from servicecert_schemas.values import CertificateType, SerialNumber, Text, Usage
from servicecert_worker.core.decider import Facts


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """A request's public key: the SHA-256 of its SubjectPublicKeyInfo in hexadecimal, and its family, `rsa` or `ec`."""

    sha256: str
    family: str


@dataclass(frozen=True, slots=True)
class JudgedCsr(Facts):
    """A judged certificate request: its DER in base64 and its key, or the codes of its faults (A4)."""

    der: str | None = None
    faults: tuple[str, ...] = ()
    key: JudgedKey | None = None


class Blocked(StrEnum):
    """Why a key is never certified again: its private key is known to others, or can be computed from another key."""

    COMPROMISED = "compromised"
    SHARED_PRIME = "shared-prime"
    LEAKED = "leaked"
    """By a list, as the next one: the table of keys has neither."""
    DEBIAN_WEAK = "debian-weak"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The record of a key: the business id of its first accepted organisation, and why it is blocked."""

    business_id: str | None = None
    blocked: Blocked | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What will be certified, apart from the key. The key usage is empty without a request."""

    subject: Subject
    names: ServerNames
    usages: tuple[Usage, ...]
    key_usage: tuple[KeyUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """A certificate issued earlier for the same account."""

    serial: SerialNumber
    type: CertificateType
    grant: Grant
    key: JudgedKey | None


@dataclass(frozen=True, slots=True)
class Followed:
    """The result of looking up the certificate that an application follows, by its serial number as typed."""

    typed: Text
    earlier: Earlier | None


@dataclass(frozen=True, slots=True)
class Application:
    """An application: the newest form and attachments, and the newest request, if any.

    `sent_at` is when the form was sent, `account` the applicant's, where known, `earlier` the certificate that the form
    follows, where it was found, `key` the record of the request's key. `of_canary`: the case has an id of the canary.
    """

    form: Form
    attachments: tuple[Attachment, ...] = ()
    csr: JudgedCsr | None = None
    sent_at: datetime | None = None
    account: Account | None = None
    earlier: Earlier | None = None
    key: KeyRecord | None = None
    of_canary: bool = False

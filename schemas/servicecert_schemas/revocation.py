"""Revocation requests and their outcomes, and compromised keys (topics `revocations` and `certificate-status`)."""

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from .certificate import Recipients
from .event import Actor, CaseEvent, EventData
from .open_list import Open
from .values import (
    AddressText,
    Count,
    DecimalSerialNumber,
    DistinguishedName,
    HttpUrl,
    Identifier,
    Instant,
    Language,
    LongText,
    Number,
    Partition,
    SerialNumber,
    Sha256,
    Text,
    Texts,
    Value,
)


class RevocationReason(StrEnum):
    """Why a certificate is revoked (D2).

    Open: the certificate is revoked all the same; show the reason's identifier, and state no reason in OCSP.
    """

    KEY_EXPOSED = "key-exposed"
    NO_LONGER_NEEDED = "no-longer-needed"
    PURPOSE_OR_DATA_CHANGED = "purpose-or-data-changed"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


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
"""The texts of the reasons, for forms, mails and commands."""


def reason_named(text: str) -> RevocationReason | None:
    """Return the reason with this code, or this text in one of the three languages, ignoring case and spacing."""
    chosen = " ".join(text.casefold().split()).rstrip(".")
    for reason, texts in REASONS.items():
        if chosen in (reason.value, texts.sv.casefold(), texts.fi.casefold(), texts.en.casefold()):
            return reason
    return None


def _or_none(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Return the valid value, else None: a field that is only for a mail never stops a revocation."""
    try:
        return validate(value)
    except ValidationError:
        return None


class Notify(Value):
    """Where who requests a revocation wants the mail about it (D5).

    The address is as typed, and a wrong one gets no mail. The language is sv, fi or en; with any other the mail is in
    that of the case.
    """

    email: AddressText
    language: Annotated[Text | None, WrapValidator(_or_none)] = None


class RevocationRequested(CaseEvent):
    """A user requests the revocation of a decision's certificate (D1). The serial number is as typed.

    `notify` is personal data, and names nobody who may act. A malformed one counts as none.
    """

    TYPE: ClassVar[str] = "servicecert.revocation.requested.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "reason", "sent_at")

    actor: Actor
    request_id: UUID
    serial_as_typed: Text
    reason: Open[RevocationReason]
    exposed_since: Instant | None = None
    explanation: LongText | None = None
    notify: Annotated[Notify | None, WrapValidator(_or_none)] = None
    sent_at: Instant

    def own_trace(self) -> str:
        return f"revocation/{self.request_id}"


class RevocationRegistered(CaseEvent):
    """The request was accepted: the next CRL will list the certificate. It counts as revoked only then (I7)."""

    TYPE: ClassVar[str] = "servicecert.revocation.registered.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "serial", "reason")

    request_id: UUID
    serial: SerialNumber
    reason: Open[RevocationReason]
    requested_at: Instant
    due: Instant


class RevocationRefused(CaseEvent):
    """The request was refused. The answer does not disclose whether another account's certificate exists (D1).

    `account_id` is the requesting account. `in_case`: its user may act in the case, which may show the answer.
    """

    TYPE: ClassVar[str] = "servicecert.revocation.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "code")

    request_id: UUID
    account_id: Identifier
    in_case: bool
    code: Identifier
    texts: Texts


class CertificateRevoked(CaseEvent):
    """A published CRL lists the certificate as revoked (I7), with this reason and date.

    Follows each request that changed the entry (D3). Another one follows who asked again and gave an address: its only
    recipient (D5).
    """

    TYPE: ClassVar[str] = "servicecert.certificate.revoked.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "issuer", "serial", "reason", "revoked_at", "crl_number")

    request_id: UUID
    issuer: Identifier
    serial: SerialNumber
    serial_decimal: DecimalSerialNumber
    subject: DistinguishedName
    reason: Open[RevocationReason]
    requested_at: Instant
    revoked_at: Instant
    invalid_since: Instant | None = None
    crl_number: Number
    crl_url: HttpUrl
    published_at: Instant
    language: Language
    recipients: Recipients


class Standing(StrEnum):
    """The OCSP status of an issued certificate (RFC 6960 section 2.2, where valid is called good).

    Closed: OCSP says good or revoked of an issued certificate (RFC 6960); on hold does not exist (D2).
    """

    VALID = "valid"
    REVOKED = "revoked"


class StandingChanged(EventData):
    """The status of a certificate for OCSP responders: it was issued, or a published CRL lists it as revoked (D8, I7).

    The key is the certificate. Copies and older records may follow newer ones, so readers never undo a revocation; the
    reason key-exposed overrides a weaker one, and its earlier `invalid_since` a later one or none (D3). A valid
    certificate has neither `reason` nor `revoked_at`.
    """

    TYPE: ClassVar[str] = "servicecert.certificate.standing.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "standing", "reason", "revoked_at")

    issuer: Identifier
    serial: SerialNumber
    standing: Standing
    reason: Open[RevocationReason] | None = None
    revoked_at: Instant | None = None
    invalid_since: Instant | None = None
    not_after: Instant

    def key(self) -> str:
        return f"{self.issuer}/{self.serial}"


class StandingsCount(Value):
    """How many standings of a CA the revoker has published up to `at`: what a responder lacks if it has less (D8).

    A certificate counts once, and once more when it is revoked. `total` is the sum of the last 52 bits of the serial
    numbers, each as often as it counts, modulo 2^52. `crl_number` is that of the newest published full CRL.
    """

    at: Instant
    crl_number: Number
    standings: Count
    total: Number


class StandingsCounted(EventData):
    """The count of a CA's standings, for OCSP responders; it follows each full CRL. The key is the CA."""

    TYPE: ClassVar[str] = "servicecert.certificate.standings-counted.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer",)

    issuer: Identifier
    count: StandingsCount

    def key(self) -> str:
        return f"standings/{self.issuer}"


class CrlPublished(EventData):
    """A CRL was published and its download verified. The key is its CA and partition; partition 0 is the full CRL.

    The full CRL has the `count` of its CA's standings.
    """

    TYPE: ClassVar[str] = "servicecert.crl.published.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "partition", "number", "entries", "sha256")

    issuer: Identifier
    partition: Partition = 0
    number: Number
    this_update: Instant
    next_update: Instant
    entries: Count
    url: HttpUrl
    sha256: Sha256
    count: StandingsCount | None = None

    def key(self) -> str:
        return f"crl/{self.issuer}/{self.partition}"


class KeyCompromised(EventData):
    """A private key is exposed or suspected to be exposed: the key is blocked for ever (D6).

    `key_sha256` is the SHA-256 of the SubjectPublicKeyInfo. The event is repeated if the key is reported again.
    """

    TYPE: ClassVar[str] = "servicecert.key.compromised.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: Sha256
    known_at: Instant

    def key(self) -> str:
        return f"key/{self.key_sha256}"

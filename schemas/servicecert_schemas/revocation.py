"""Revocation requests and their outcomes, and compromised keys (topics `revocations` and `certificate-status`)."""

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from . import values
from .certificate import Recipients
from .event import Actor, CaseEvent, EventData
from .open_list import Open
from .serials import serial_readings


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
        RevocationReason.KEY_EXPOSED: values.Texts(
            sv="den privata nyckeln har avslöjats eller misstänks ha avslöjats",
            fi="yksityinen avain on paljastunut tai sen epäillään paljastuneen",
            en="the private key has been exposed or is suspected to have been exposed",
        ),
        RevocationReason.NO_LONGER_NEEDED: values.Texts(
            sv="certifikatet behövs inte längre",
            fi="varmennetta ei enää tarvita",
            en="the certificate is no longer needed",
        ),
        RevocationReason.PURPOSE_OR_DATA_CHANGED: values.Texts(
            sv="användningsändamålet eller uppgifterna har ändrats",
            fi="käyttötarkoitus tai tiedot ovat muuttuneet",
            en="the purpose of use or the data have changed",
        ),
        RevocationReason.PRIVILEGE_WITHDRAWN: values.Texts(
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


class Notify(values.Value):
    """Where who requests a revocation wants the mail about it (D5)."""

    email: values.AddressText
    """As typed. A wrong address gets no mail."""
    language: Annotated[values.Text | None, WrapValidator(_or_none)] = None
    """sv, fi or en; with any other the mail is in that of the case."""


class RevocationRequested(CaseEvent):
    """Send this when a user asks to revoke the certificate of a decision (D1)."""

    TYPE: ClassVar[str] = "servicecert.revocation.requested.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "reason", "sent_at")

    actor: Actor
    request_id: UUID
    """A UUID of the e-service for this request. Answers name it."""
    serial_as_typed: values.Text
    """The serial number, exactly as the user typed it: hexadecimal or decimal (D1)."""
    reason: Open[RevocationReason]
    exposed_since: values.Instant | None = None
    """For an exposed key: since when, if known (D3). The CRL's invalidityDate."""
    explanation: values.LongText | None = None
    """The user's own words, for the authority."""
    notify: Annotated[Notify | None, WrapValidator(_or_none)] = None
    """Where the user wants the mail about it (D5). Personal data; a malformed one counts as none."""
    sent_at: values.Instant
    """When the user sent it: the 24 hours run from here (D4)."""

    @property
    def serials(self) -> frozenset[int]:
        """Every serial number that the typed text can mean (D1); none for what is no number."""
        return serial_readings(self.serial_as_typed)

    def own_trace(self) -> str:
        return f"revocation/{self.request_id}"


class RevocationRegistered(CaseEvent):
    """Published when a request is granted: the next CRL lists the certificate, which is revoked only then (I7)."""

    TYPE: ClassVar[str] = "servicecert.revocation.registered.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "serial", "reason")

    request_id: UUID
    """The request."""
    serial: values.SerialNumber
    reason: Open[RevocationReason]
    requested_at: values.Instant
    """When it was sent."""
    due: values.Instant
    """24 hours later (D4)."""


class RevocationRefused(CaseEvent):
    """Published when a request is refused. It does not disclose whether another account's certificate exists (D1)."""

    TYPE: ClassVar[str] = "servicecert.revocation.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "code")

    request_id: UUID
    """The request."""
    account_id: values.AccountId
    """The account that the request came from."""
    in_case: bool
    """Whether its user may act in the case, which may then show the answer."""
    code: values.Code
    texts: values.Texts
    """Why nothing is revoked, and what to do."""


class CertificateRevoked(CaseEvent):
    """Published when a published CRL lists the certificate as revoked (I7), with this reason and date.

    Follows each request that changed the entry (D3). Another one follows who asked again and gave an address: its only
    recipient (D5).
    """

    TYPE: ClassVar[str] = "servicecert.certificate.revoked.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("request_id", "issuer", "serial", "reason", "revoked_at", "crl_number")

    request_id: UUID
    """The request that changed the entry."""
    issuer: values.CaId
    serial: values.SerialNumber
    serial_decimal: values.DecimalSerialNumber
    subject: values.DistinguishedName
    reason: Open[RevocationReason]
    requested_at: values.Instant
    """When the request was sent."""
    revoked_at: values.Instant
    """When it was decided: the CRL's revocationDate."""
    invalid_since: values.Instant | None = None
    """The CRL's invalidityDate: since when the key is exposed (D3). Else null."""
    crl_number: values.Number
    """The number of the CRL that lists it."""
    crl_url: values.HttpUrl
    """The URL of that CRL."""
    published_at: values.Instant
    """When that CRL was published and its download verified."""
    language: values.Language
    """The language of its mails."""
    recipients: Recipients
    """Who is told, each address once (D5)."""


class Standing(StrEnum):
    """The OCSP status of an issued certificate (RFC 6960 section 2.2, where valid is called good).

    Closed: OCSP says good or revoked of an issued certificate (RFC 6960); on hold does not exist (D2).
    """

    VALID = "valid"
    REVOKED = "revoked"


class StandingChanged(EventData):
    """Published when a certificate is issued, and when a published CRL lists it as revoked: its OCSP status (D8, I7).

    The key is the certificate. Copies and older records may follow newer ones, so readers never undo a revocation; the
    reason key-exposed overrides a weaker one, and its earlier `invalid_since` a later one or none (D3).
    """

    TYPE: ClassVar[str] = "servicecert.certificate.standing.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "standing", "reason", "revoked_at")

    issuer: values.CaId
    serial: values.SerialNumber
    standing: Standing
    reason: Open[RevocationReason] | None = None
    """Null for a valid certificate."""
    revoked_at: values.Instant | None = None
    """The CRL's revocationDate; null for a valid certificate."""
    invalid_since: values.Instant | None = None
    """The CRL's invalidityDate, if any (D3)."""
    not_after: values.NotAfter

    def key(self) -> str:
        return f"{self.issuer}/{self.serial}"


class StandingsCount(values.Value):
    """How many standings of a CA the revoker has published: what a responder lacks if it has less (D8)."""

    at: values.Instant
    """Up to when it counts."""
    crl_number: values.Number
    """The number of the newest published full CRL."""
    standings: values.Count
    """Each certificate once, and once more when it is revoked."""
    total: values.Number
    """The sum of the last 52 bits of the serial numbers, each as often as it counts, modulo 2^52."""


class StandingsCounted(EventData):
    """Published when a full CRL is: the count of the CA's standings, for OCSP responders. The key is the CA."""

    TYPE: ClassVar[str] = "servicecert.certificate.standings-counted.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer",)

    issuer: values.CaId
    count: StandingsCount

    def key(self) -> str:
        return f"standings/{self.issuer}"


class CrlPublished(EventData):
    """Published when a CRL is published and its download verified. The key is its CA and partition."""

    TYPE: ClassVar[str] = "servicecert.crl.published.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "partition", "number", "entries", "sha256")

    issuer: values.CaId
    partition: values.Partition = 0
    number: values.Number
    """The CRL number."""
    this_update: values.Instant
    """The CRL's thisUpdate."""
    next_update: values.Instant
    """The CRL's nextUpdate."""
    entries: values.Count
    """How many certificates it lists."""
    url: values.HttpUrl
    """Where it is published."""
    sha256: values.Sha256
    """The SHA-256 of the CRL in DER."""
    count: StandingsCount | None = None
    """Of the full CRL: the standings of its CA."""

    def key(self) -> str:
        return f"crl/{self.issuer}/{self.partition}"


class KeyCompromised(EventData):
    """Published when a private key is reported as exposed, each time: the key is blocked for ever (D6)."""

    TYPE: ClassVar[str] = "servicecert.key.compromised.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: values.KeySha256
    known_at: values.Instant
    """When it was reported."""

    def key(self) -> str:
        return f"key/{self.key_sha256}"

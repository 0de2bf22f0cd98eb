"""Accepted applications and the results of issuing (topics `accepted-applications` and `certificates`)."""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, ClassVar
from uuid import UUID

from .event import CaseEvent
from .open_list import Open
from .values import (
    AttributeText,
    Base64,
    BusinessId,
    CertificateType,
    Count,
    Day,
    Days,
    DecimalSerialNumber,
    DistinguishedName,
    DnsName,
    EmailAddress,
    Identifier,
    Instant,
    IpAddress,
    Language,
    Partition,
    SerialNumber,
    Sha256,
    Text,
    Texts,
    Usage,
    Value,
    at_most,
)


class RecipientRole(StrEnum):
    """The capacity in which a person receives a mail. Events without recipients name only the role.

    Open: show the role's identifier; our services send no mail to an unknown role.
    """

    ORDERER = "orderer"
    TECHNICAL_CONTACT = "technical-contact"
    SHARED_MAILBOX = "shared-mailbox"
    # Who asked for the revocation, and is no other recipient of the case (D5).
    REQUESTER = "requester"


class Recipient(Value):
    """A recipient of mails. `language` is the recipient's own, None for that of the case."""

    role: Open[RecipientRole]
    email: EmailAddress
    name: Text | None = None
    language: Language | None = None


Recipients = Annotated[tuple[Recipient, ...], at_most(10)]


class Subject(Value):
    """The subject, decided from the application and the registers, never from the CSR. C is always FI."""

    organisation: AttributeText
    organisational_unit: AttributeText
    business_id: BusinessId
    common_name: AttributeText


class ServerNames(Value):
    """The subject alternative names of a server, as accepted: A-labels, and addresses in their canonical text."""

    dns: Annotated[tuple[DnsName, ...], at_most(100)] = ()
    ip: Annotated[tuple[IpAddress, ...], at_most(100)] = ()


class ApplicationAccepted(CaseEvent):
    """An application was accepted: the data that issuing needs, and no more.

    `profile_version` is that of the profile by which intake judged; earlier events have none.
    """

    TYPE: ClassVar[str] = "servicecert.application.accepted.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("decision_id", "type", "profile_version", "application_sha256")

    account_id: Identifier
    decision_id: UUID
    type: CertificateType
    subject: Subject
    names: ServerNames = ServerNames()
    usages: Annotated[tuple[Usage, ...], at_most(2)] = ()
    csr: Base64
    start_date: Day | None = None
    validity_days: Days | None = None
    due: Instant
    language: Language
    recipients: Recipients
    profile_version: Count | None = None

    @property
    def application_sha256(self) -> str:
        """The SHA-256 of all that it says but its recipients, who can be erased (E3).

        Members with their defaults do not count, so that a later version with more of them returns the same.
        """
        return sha256(self.model_dump_json(exclude={"recipients"}, exclude_defaults=True).encode()).hexdigest()


class AcceptedWithdrawn(CaseEvent):
    """The applicant withdraws an accepted application. The issuer decides whether it is in time (A15)."""

    TYPE: ClassVar[str] = "servicecert.accepted-application.withdrawn.v1"


class CertificateIntended(CaseEvent):
    """A certificate will be signed: published before the CA's key is used (I4).

    With the application it is all that the issuer's database has of the intent, which is signed with these bytes
    (`tbs`, DER) or not at all. `application_sha256` is the digest of the application without its recipients.
    """

    TYPE: ClassVar[str] = "servicecert.certificate.intended.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "profile", "profile_version", "partition")

    issuer: Identifier
    serial: SerialNumber
    tbs: Base64
    profile: Identifier
    profile_version: Count
    partition: Partition
    key_sha256: Sha256
    business_id: BusinessId
    not_before: Instant
    not_after: Instant
    sign_by: Instant
    application_sha256: Sha256 | None = None


class CertificateIssued(CaseEvent):
    """A certificate was signed, verified and recorded.

    `partition` is the number of its partitioned CRL, 0 for the full one only. `chain` is the issuing CA and the root.
    """

    TYPE: ClassVar[str] = "servicecert.certificate.issued.v1"
    AUDITED: ClassVar[tuple[str, ...]] = (
        "decision_id",
        "type",
        "issuer",
        "serial",
        "fingerprint",
        "key_sha256",
        "profile",
        "profile_version",
    )

    account_id: Identifier
    decision_id: UUID
    type: CertificateType
    issuer: Identifier
    serial: SerialNumber
    serial_decimal: DecimalSerialNumber
    subject: DistinguishedName
    not_before: Instant
    not_after: Instant
    fingerprint: Sha256
    key_sha256: Sha256
    profile: Identifier
    profile_version: Count
    partition: Partition = 0
    certificate: Base64
    chain: Annotated[tuple[Base64, ...], at_most(5)]
    due: Instant
    language: Language
    recipients: Recipients


class IssuingRefused(CaseEvent):
    """The issuer did not sign, with the reason for people."""

    TYPE: ClassVar[str] = "servicecert.certificate.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("code",)

    code: Identifier
    texts: Texts


class IssuingStopped(CaseEvent):
    """A certificate failed a check before signing (B3): nothing is signed until the authority corrects the fault."""

    TYPE: ClassVar[str] = "servicecert.certificate.stopped.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("code",)

    code: Identifier
    texts: Texts


class CertificateVoided(CaseEvent):
    """A serial number of an intended certificate became void (B2).

    A worker that died may have signed the certificate, which was not released. So the full CRL and that of `partition`,
    if not 0, list it as revoked until `not_after`. Without a stored intent nothing was signed, and there is no event.
    """

    TYPE: ClassVar[str] = "servicecert.certificate.voided.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "partition", "code")

    issuer: Identifier
    serial: SerialNumber
    serial_decimal: DecimalSerialNumber
    code: Identifier
    not_after: Instant | None = None
    partition: Partition = 0

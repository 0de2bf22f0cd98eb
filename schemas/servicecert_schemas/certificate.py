"""Accepted applications and the results of issuing (topics `accepted-applications` and `certificates`)."""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, ClassVar
from uuid import UUID

from . import values
from .event import CaseEvent
from .open_list import Open


class RecipientRole(StrEnum):
    """The capacity in which a person receives a mail. Events without recipients name only the role.

    Open: show the role's identifier; our services send no mail to an unknown role.
    """

    ORDERER = "orderer"
    TECHNICAL_CONTACT = "technical-contact"
    SHARED_MAILBOX = "shared-mailbox"
    # Who asked for the revocation, and is no other recipient of the case (D5).
    REQUESTER = "requester"


class Recipient(values.Value):
    """A recipient of mails."""

    role: Open[RecipientRole]
    email: values.EmailAddress
    name: values.Text | None = None
    """As typed in the form; null for a shared mailbox."""
    language: values.Language | None = None
    """The recipient's own language; null for that of the case."""

    @property
    def identity(self) -> tuple[str, str]:
        """What two spellings of an address share: a domain has no case, a local part may (RFC 5321, section 2.4)."""
        local, _, domain = self.email.rpartition("@")
        return local, domain.lower()


Recipients = Annotated[tuple[Recipient, ...], values.at_most(10)]


class Subject(values.Value):
    """The subject, decided from the application and the registers, never from the CSR. C is always FI."""

    organisation: values.AttributeText
    """O: the registered name, or its abbreviation."""
    organisational_unit: values.AttributeText
    """OU: the long name in the code service (A6), or its abbreviation."""
    business_id: values.BusinessId
    """serialNumber: the business id."""
    common_name: values.AttributeText
    """CN: the first host name, the information system's or the organisation's name."""


class ServerNames(values.Value):
    """The subject alternative names of a server, as accepted: A-labels, and addresses in their canonical text."""

    dns: Annotated[tuple[values.DnsName, ...], values.at_most(100)] = ()
    """Host names in A-labels."""
    ip: Annotated[tuple[values.IpAddress, ...], values.at_most(100)] = ()
    """IP addresses in canonical form."""


class ApplicationAccepted(CaseEvent):
    """Published when an application is accepted: the data that issuing needs, and no more."""

    TYPE: ClassVar[str] = "servicecert.application.accepted.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("decision_id", "type", "profile_version", "application_sha256")

    account_id: values.AccountId
    decision_id: UUID
    """The id of the decision, for ever."""
    type: values.CertificateType
    subject: Subject
    names: ServerNames = ServerNames()
    """Empty for system signatures."""
    usages: Annotated[tuple[values.Usage, ...], values.at_most(2)] = ()
    """The extended key usages; empty for system signatures."""
    csr: values.Base64
    """The certificate request (PKCS#10 in DER)."""
    start_date: values.Day | None = None
    """The first day of validity; null: at once (A14)."""
    validity_days: values.Days | None = None
    """The days of validity; null: the type's maximum (B1)."""
    due: values.Instant
    """The end of the fifth weekday (A13)."""
    language: values.Language
    """The language of the certificate's mails."""
    recipients: Recipients
    """Who receives the certificate and the mails of the case."""
    profile_version: values.Count | None = None
    """The version of the profile by which intake judged; null in earlier events."""

    @property
    def application_sha256(self) -> str:
        """The SHA-256 of all that it says but its recipients, who can be erased (E3).

        Members with their defaults do not count, so that a later version with more of them returns the same.
        """
        return sha256(self.model_dump_json(exclude={"recipients"}, exclude_defaults=True).encode()).hexdigest()


class AcceptedWithdrawn(CaseEvent):
    """Published when the applicant withdraws an accepted application: the issuer decides whether in time (A15)."""

    TYPE: ClassVar[str] = "servicecert.accepted-application.withdrawn.v1"


class CertificateIntended(CaseEvent):
    """Published when a certificate is going to be signed, before the CA's key is used (I4).

    With the application it is all that the issuer's database has of the intent.
    """

    TYPE: ClassVar[str] = "servicecert.certificate.intended.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "profile", "profile_version", "partition")

    issuer: values.CaId
    serial: values.SerialNumber
    tbs: values.Base64
    """The TBSCertificate in DER: these bytes are signed or none."""
    profile: values.Identifier
    """The profile by which it is made: the certificate type."""
    profile_version: values.Count
    """The version of that profile."""
    partition: values.Partition
    key_sha256: values.KeySha256
    business_id: values.BusinessId
    """The subject's business id."""
    not_before: values.NotBefore
    not_after: values.NotAfter
    sign_by: values.Instant
    """After this moment the number becomes void instead (B2)."""
    application_sha256: values.Sha256 | None = None
    """The digest of the accepted application without its recipients; null in earlier events."""


class CertificateIssued(CaseEvent):
    """Published when a certificate is signed, verified and recorded."""

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

    account_id: values.AccountId
    decision_id: UUID
    """The id of the decision, for ever."""
    type: values.CertificateType
    issuer: values.CaId
    serial: values.SerialNumber
    serial_decimal: values.DecimalSerialNumber
    subject: values.DistinguishedName
    not_before: values.NotBefore
    not_after: values.NotAfter
    fingerprint: values.Fingerprint
    key_sha256: values.KeySha256
    profile: values.Identifier
    """The profile by which it is made: the certificate type."""
    profile_version: values.Count
    """The version of that profile."""
    partition: values.Partition = 0
    certificate: values.Base64
    """The certificate in DER."""
    chain: Annotated[tuple[values.Base64, ...], values.at_most(5)]
    """The issuing CA's certificate and the root, in DER."""
    due: values.Instant
    """When it was due (A13)."""
    language: values.Language
    """The language of its mails."""
    recipients: Recipients
    """Who receives the certificate and its mails."""


class IssuingRefused(CaseEvent):
    """Published when the issuer does not sign an accepted application."""

    TYPE: ClassVar[str] = "servicecert.certificate.refused.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("code",)

    code: values.Code
    texts: values.Texts
    """Why nothing is signed, and what to do."""


class IssuingStopped(CaseEvent):
    """Published when a certificate fails a check before signing (B3): the authority has to correct the fault first."""

    TYPE: ClassVar[str] = "servicecert.certificate.stopped.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("code",)

    code: values.Code
    texts: values.Texts
    """What the customer is told: the authority looks into it."""


class CertificateVoided(CaseEvent):
    """Published when the serial number of an intended certificate becomes void (B2).

    A worker that died may have signed the certificate, which was not released. So the full CRL and that of `partition`,
    if not 0, list it as revoked until `not_after`. Without a stored intent nothing was signed, and there is no event.
    """

    TYPE: ClassVar[str] = "servicecert.certificate.voided.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "partition", "code")

    issuer: values.CaId
    serial: values.SerialNumber
    serial_decimal: values.DecimalSerialNumber
    code: values.Code
    not_after: values.Instant | None = None
    """Until then the CRLs list it; null where nothing can have been signed."""
    partition: values.Partition = 0

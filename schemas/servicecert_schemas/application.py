"""Applications as the e-service publishes them: the form and its changes (topic `applications`)."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from .event import Actor, CaseEvent
from .open_list import Open
from .values import (
    AddressText,
    CertificateType,
    CsrText,
    Instant,
    Language,
    LongText,
    Sha256,
    Text,
    Usage,
    Value,
    at_most,
)


class ApplyingAs(StrEnum):
    """The capacity in which the applicant applies, as it states itself.

    Closed: no rule can judge an unknown capacity (A7 to A9).
    """

    CARE_PROVIDER = "care-provider"
    PHARMACY = "pharmacy"
    IT_SUPPLIER = "it-supplier"
    KANTA_INTERMEDIARY = "kanta-intermediary"


class Applicant(Value):
    """The organisation that applies. The business id is as typed: intake checks it (A5)."""

    business_id: Text
    organisation_oid: Text | None = None


class Signatory(Value):
    """The person who signed the application for the organisation (A8)."""

    name: Text
    title: Text
    signed_at: Instant


class InformationSystem(Value):
    """The information system that a system signature certificate is for."""

    name: Text
    system_id: Text


class Names(Value):
    """The names of a server, as typed."""

    dns: Annotated[tuple[AddressText, ...], at_most(100)] = ()
    ip: Annotated[tuple[Text, ...], at_most(100)] = ()


class Orderer(Value):
    """The person who ordered the certificate, and receives it."""

    name: Text
    email: AddressText


class TechnicalContact(Value):
    """The person who may attach the CSR, and receives the certificate. A9 uses `organisation`."""

    name: Text
    email: AddressText
    phone: Text | None = None
    organisation: Text


class Form(Value):
    """An application as filled in. Typed text has only a length limit here: intake checks it."""

    type: CertificateType
    language: Language
    applying_as: ApplyingAs
    applicant: Applicant
    unit_long_name: Text
    signatory: Signatory | None = None
    information_system: InformationSystem | None = None
    names: Names = Names()
    usages: Annotated[tuple[Usage, ...], at_most(2)] = ()
    orderer: Orderer
    technical_contact: TechnicalContact
    shared_mailbox: AddressText | None = None
    start_date: date | None = None
    validity_days: Annotated[int, Field(ge=1, le=100_000)] | None = None
    follows: Text | None = None
    customer_reference: Text | None = None


class AttachmentKind(StrEnum):
    """What an attachment proves.

    Open: an attachment of an unknown kind proves nothing.
    """

    CONFORMITY_CERTIFICATE = "conformity-certificate"


class Attachment(Value):
    """A file in the e-service's storage: by reference and hash, never inline."""

    kind: Open[AttachmentKind]
    reference: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*:[^\s\x00]+$", max_length=2_000)]
    sha256: Sha256
    size: Annotated[int, Field(ge=1, le=100_000_000)]
    media_type: Text
    system_id: Text
    certificate_number: Text
    valid_from: date
    valid_to: date


class ApplicationEvent(CaseEvent):
    """An event of an application, with its actor."""

    actor: Actor


class ApplicationSubmitted(ApplicationEvent):
    """A customer applied for one certificate (A1)."""

    TYPE: ClassVar[str] = "servicecert.application.submitted.v1"

    form: Form
    attachments: Annotated[tuple[Attachment, ...], at_most(50)] = ()
    csr: CsrText | None = None


class ApplicationSupplemented(ApplicationEvent):
    """The whole form and all attachments again (A10): they replace the earlier ones."""

    TYPE: ClassVar[str] = "servicecert.application.supplemented.v1"

    form: Form
    attachments: Annotated[tuple[Attachment, ...], at_most(50)] = ()
    csr: CsrText | None = None


class CsrAttached(ApplicationEvent):
    """The technical contact attached the certificate request (A3)."""

    TYPE: ClassVar[str] = "servicecert.application.csr-attached.v1"

    csr: CsrText


class ApplicationWithdrawn(ApplicationEvent):
    """The applicant withdrew the case (A15)."""

    TYPE: ClassVar[str] = "servicecert.application.withdrawn.v1"

    reason: LongText | None = None

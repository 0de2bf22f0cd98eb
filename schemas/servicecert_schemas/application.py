"""Applications as the e-service publishes them: the form and its changes (topic `applications`)."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from . import values
from .event import Actor, CaseEvent
from .open_list import Open


class ApplyingAs(StrEnum):
    """The capacity in which the applicant applies, as it states itself.

    Closed: no rule can judge an unknown capacity (A7 to A9).
    """

    CARE_PROVIDER = "care-provider"
    PHARMACY = "pharmacy"
    IT_SUPPLIER = "it-supplier"
    KANTA_INTERMEDIARY = "kanta-intermediary"


class Applicant(values.Value):
    """The organisation that applies."""

    business_id: values.Text
    """Seven digits, a hyphen and the check digit, such as 0204819-8 (A5)."""
    organisation_oid: values.Text | None = None
    """The OID of the organisation or of one of its units. It must belong to the business id (A5)."""


class Signatory(values.Value):
    """The person who signed the application for the organisation (A8)."""

    name: values.Text
    """First and last name."""
    title: values.Text
    """The position in the organisation, in words."""
    signed_at: values.Instant
    """When they signed: after the account's opening and before the application was sent (A8)."""


class InformationSystem(values.Value):
    """The information system that a system signature certificate is for."""

    name: values.Text
    """The system's name. The CN is the registered one, or this where none is or fits."""
    system_id: values.Text
    """Its id in the register of information systems, the same as in the attachment (A7)."""


class Names(values.Value):
    """The names of a server, as typed."""

    dns: Annotated[tuple[values.AddressText, ...], values.at_most(100)] = ()
    """Host names, without wildcards. The first one of at most 64 characters is the CN."""
    ip: Annotated[tuple[values.Text, ...], values.at_most(100)] = ()
    """IPv4 and IPv6 addresses, beside at least one host name."""


class Orderer(values.Value):
    """The person who ordered the certificate, and receives it."""

    name: values.Text
    """First and last name."""
    email: values.AddressText
    """Receives the certificate and all mails of the case (C1, C4)."""


class TechnicalContact(values.Value):
    """The person who may attach the CSR, and receives the certificate."""

    name: values.Text
    """First and last name."""
    email: values.AddressText
    """Receives the invitation to attach the CSR, and the certificate (C1, C4)."""
    phone: values.Text | None = None
    """For questions of the authority."""
    organisation: values.Text
    """The contact's employer. Of an intermediary's system signature: Kanta-förmedlare or Kanta-välittäjä (A9)."""


class Form(values.Value):
    """An application as filled in. Typed text has only a length limit here: intake checks it."""

    type: values.CertificateType
    language: values.Language
    applying_as: ApplyingAs
    applicant: Applicant
    unit_long_name: values.Text
    """The unit's long name exactly as the code service has it: the OU of the certificate (A6)."""
    signatory: Signatory | None = None
    """Mandatory for both system signature types (A8), else ignored."""
    information_system: InformationSystem | None = None
    """The system that signs. Mandatory where a conformity certificate is (A7), else the CN is the organisation."""
    names: Names = Names()
    """Mandatory for both server types: at least one host name. Others have none."""
    usages: Annotated[tuple[values.Usage, ...], values.at_most(2)] = ()
    """Mandatory for both server types: at least one. Others have none."""
    orderer: Orderer
    technical_contact: TechnicalContact
    shared_mailbox: values.AddressText | None = None
    """One more address that receives the certificate (C1)."""
    start_date: date | None = None
    """The first day of validity: today or up to 60 days ahead (A14). Null: at once."""
    validity_days: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The days of validity, up to the type's maximum (B1). Null: the maximum."""
    follows: values.Text | None = None
    """The serial number of the certificate that this one renews, as typed (A14)."""
    customer_reference: values.Text | None = None
    """The customer's own reference, repeated in the case and its mails."""


class AttachmentKind(StrEnum):
    """What an attachment proves.

    Open: an attachment of an unknown kind proves nothing.
    """

    CONFORMITY_CERTIFICATE = "conformity-certificate"


class Attachment(values.Value):
    """A file in the e-service's storage: by reference and hash, never inline."""

    kind: Open[AttachmentKind]
    reference: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*:[^\s\x00]+$", max_length=2_000)]
    """The URI under which the e-service keeps the file."""
    sha256: values.Sha256
    """The SHA-256 of the file."""
    size: Annotated[int, Field(ge=1, le=100_000_000)]
    """The length of the file in octets."""
    media_type: values.Text
    """The media type of the file, such as application/pdf."""
    system_id: values.Text
    """The register's id of the information system that it certifies (A7)."""
    certificate_number: values.Text
    """Its number in the register of information systems (A7)."""
    valid_from: values.FirstDay
    valid_to: values.LastDay


class Application(Form):
    """What a customer fills in, at once: the form with its attachments."""

    attachments: Annotated[tuple[Attachment, ...], values.at_most(50)] = ()

    @property
    def form(self) -> Form:
        return Form(**{name: getattr(self, name) for name in Form.model_fields})


class ApplicationEvent(CaseEvent):
    """An event of an application, with its actor."""

    actor: Actor


class ApplicationSubmitted(ApplicationEvent):
    """Send this when a customer applies for one certificate (A1)."""

    TYPE: ClassVar[str] = "servicecert.application.submitted.v1"

    form: Form
    attachments: Annotated[tuple[Attachment, ...], values.at_most(50)] = ()
    """The files, such as the conformity certificate that A7 requires."""
    csr: values.CsrText | None = None
    """The certificate request, in PEM or as base64 of DER. Null: it is attached later (A3)."""


class ApplicationSupplemented(ApplicationEvent):
    """Send this when the customer corrects or completes an application: the whole form and all files again (A10)."""

    TYPE: ClassVar[str] = "servicecert.application.supplemented.v1"

    form: Form
    attachments: Annotated[tuple[Attachment, ...], values.at_most(50)] = ()
    """All files again: what is left out is gone."""
    csr: values.CsrText | None = None
    """Another certificate request, in PEM or as base64 of DER. Null: the earlier one stays."""


class CsrAttached(ApplicationEvent):
    """Send this when a technical contact, a technical partner or a colleague attaches the certificate request (A3)."""

    TYPE: ClassVar[str] = "servicecert.application.csr-attached.v1"

    csr: values.CsrText


class ApplicationWithdrawn(ApplicationEvent):
    """Send this when the applicant withdraws the case (A15)."""

    TYPE: ClassVar[str] = "servicecert.application.withdrawn.v1"

    reason: values.LongText | None = None
    """Why, in the customer's words."""

"""What can be found out about an accepted application before deciding: the serial number, and the certificate that bears it, checked.

The moment of issuing is drawn here, as the serial number is: so the bytes to be signed are built outside the transaction, and `decide` needs
neither the CAs nor a clock. Nothing drawn here binds before it is intended.
"""

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.certificate import AlternativeNames, CertificateRefused, Contents, Subject, build_tbs
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.names import NameRefused, check_ip_address
from servicecert_pki.partitions import crl_url, partition_of
from servicecert_pki.profile import Usage
from servicecert_pki.profiles import Profiles
from servicecert_pki.serials import draw_serial
from servicecert_pki.spki import family_of, spki_sha256
from servicecert_pki.validity import HELSINKI, ValidityRefused, validity
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.decider import Event

from .issuance import Allocated, Lint, Linted, LintFailed, Stopped, Untimely
from .refusals import Unissuable, unissuable


@dataclass(frozen=True)
class IssuingContext:
    """What certificates are made with. `base_url` is where each issuing CA's CRLs and certificate are fetched, `lint` checks each (B3)."""

    authority: Authority
    profiles: Profiles
    base_url: str
    lint: Lint
    partitions: int
    ocsp_url: str | None = None

    def addresses(self, issuer: IssuerInfo, serial: int) -> tuple[str, str, str | None]:
        """Where the CRL of its partition, the CA's certificate and the OCSP responder are, for what `issuer` signs with this number (D7)."""
        crl = crl_url(self.base_url, issuer.id, partition_of(serial, self.partitions))
        return crl, f"{self.base_url}/{issuer.id}.cer", self.ocsp_url


ApplicationFacts: TypeAlias = Linted | Unissuable | Stopped | Untimely


@dataclass(frozen=True)
class Examine:
    """Draws, builds and checks, for each accepted application of a batch. `clock_fault` says why the clock cannot be trusted, if so."""

    issuing: IssuingContext
    random: Callable[[int], bytes]
    clock: Callable[[], datetime]
    clock_fault: Callable[[], str | None]

    def __call__(self, events: Sequence[Event]) -> Sequence[Event]:
        return [
            replace(event, facts=self.facts(event.data)) if isinstance(event.data, ApplicationAccepted) else event
            for event in events
        ]

    def facts(self, application: ApplicationAccepted) -> ApplicationFacts:
        """What the case is decided with."""
        if fault := self.clock_fault():
            return Untimely(fault)
        return examined(self.issuing, application, draw_serial(self.random), self.clock())


def examined(
    issuing: IssuingContext, application: ApplicationAccepted, serial: int, moment: datetime
) -> Linted | Unissuable | Stopped:
    """The checked certificate for `application`, with this serial number, begun at this moment; or why there can be none, or none for now."""
    try:
        contents = contents_of(issuing, application, serial, moment)
        allocated = allocate(contents, application.subject.business_id, partition_of(serial, issuing.partitions))
    except ValidityRefused:
        return unissuable("validity")
    except (CertificateRefused, NameRefused) as refused:
        return unissuable(refused.code)
    except AuthorityMissing:
        return unissuable("no-issuer")
    try:
        return Linted.by(allocated, contents, issuing.lint)
    except LintFailed as failed:
        return Stopped(application, allocated.issuer, failed.findings)


def contents_of(issuing: IssuingContext, application: ApplicationAccepted, serial: int, moment: datetime) -> Contents:
    """All that the certificate will say. Raises CertificateRefused, NameRefused, ValidityRefused and AuthorityMissing."""
    profile = issuing.profiles.by_type.get(application.type)
    if profile is None:
        raise CertificateRefused("no-profile", f"There is no profile for {application.type}.")
    spki = public_key_of(b64decode(application.csr))
    issuer = issuing.authority.issuer_for(profile.environment, family_of(spki), moment)
    begins = max(starting(application, moment, profile.backdating), issuer.not_before)
    period = validity(profile, begins, application.validity_days)
    crl, ca_issuers_url, ocsp_url = issuing.addresses(issuer, serial)
    return Contents(
        profile=profile,
        issuer=issuer,
        subject=Subject(
            application.subject.organisation,
            application.subject.organisational_unit,
            application.subject.business_id,
            application.subject.common_name,
        ),
        names=AlternativeNames(
            tuple(name.lower() for name in application.names.dns), tuple(map(check_ip_address, application.names.ip))
        ),
        usages=frozenset(map(Usage, application.usages)),
        spki=spki,
        serial=serial,
        not_before=period.not_before,
        not_after=period.not_after,
        crl_url=crl,
        ca_issuers_url=ca_issuers_url,
        ocsp_url=ocsp_url,
    )


def allocate(contents: Contents, business_id: str, partition: int) -> Allocated:
    """The draft of a certificate that says all this, and the CRL that it is in. Raises CertificateRefused."""
    return Allocated(
        issuer=contents.issuer.id,
        serial=contents.serial,
        profile=contents.profile.type_id,
        profile_version=contents.profile.version,
        not_before=contents.not_before,
        not_after=contents.not_after,
        key_sha256=spki_sha256(contents.spki),
        business_id=business_id,
        tbs=build_tbs(contents),
        partition=partition,
    )


def public_key_of(request: bytes) -> bytes:
    """The DER SubjectPublicKeyInfo of a DER request; raises CertificateRefused with the code `key`.

    Possession of the key is not proved anew: intake accepts no request without that proof (A4), and it is the dearest step of all.
    """
    try:
        key = x509.load_der_x509_csr(request).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        family_of(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateRefused("key", "The request holds neither an RSA nor an EC P-384 key.") from None
    return spki


def starting(application: ApplicationAccepted, moment: datetime, backdating: timedelta = timedelta()) -> datetime:
    """The first second of validity: now, less what the profile dates back, or the beginning of a later day that was asked for (A14)."""
    now = moment.astimezone(UTC).replace(microsecond=0)
    if application.start_date is not None:
        asked = datetime.combine(application.start_date, time(), HELSINKI).astimezone(UTC)
        if asked > now:
            return asked
    return now - backdating

"""Examine an accepted application before deciding: draw its serial number, build and lint the certificate to be signed.

This also reads the clock, so that the bytes are built outside the transaction, and `decide` needs neither CAs nor a
clock. Nothing is binding before it is intended.
"""

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.key_checks import weaknesses
from servicecert_pki.names import CertificateRefused, check_ip_address
from servicecert_pki.partitions import certificate_url, crl_url, partition_of
from servicecert_pki.profile import Profile, Usage
from servicecert_pki.profiles import Profiles
from servicecert_pki.serials import draw_serial
from servicecert_pki.spki import family_of, spki_of
from servicecert_pki.validity import ValidityRefused, granted
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Event

from .issuance import REQUEST_FINDING, Linted, Stopped
from .unissuable import Unissuable, is_fault_of_authority, unissuable


@dataclass(frozen=True)
class IssuingContext:
    """What certificates are built with. `base_url` is that of CRLs and CA certificates.

    `lint` checks the DER bytes to be signed against the contents (B3). It returns the codes of findings of error level
    or worse, which quote nothing of the certificate.
    """

    authority: Authority
    profiles: Profiles
    base_url: str
    lint: Callable[[Contents, bytes], Sequence[str]]
    partitions: int
    ocsp_url: str | None = None

    def addresses(self, issuer: IssuerInfo, serial: int) -> tuple[str, str, str | None]:
        """Return the URLs of the serial number's CRL partition, the CA certificate and the OCSP responder (D7)."""
        return self.addresses_in(issuer, partition_of(serial, self.partitions))

    def addresses_in(self, issuer: IssuerInfo, partition: int) -> tuple[str, str, str | None]:
        return (crl_url(self.base_url, issuer.id, partition), certificate_url(self.base_url, issuer.id), self.ocsp_url)


NO_KEY = "key"
"""The code of a request whose key is neither RSA nor EC P-384."""

Alarm: TypeAlias = Callable[[ApplicationAccepted, tuple[str, ...]], None]

ApplicationFacts: TypeAlias = Linted | Unissuable | Stopped


@dataclass(frozen=True)
class Examine:
    """Examine the accepted applications of a batch.

    `alarm` is called with an application whose request intake should never have accepted, and the codes why.
    """

    context: IssuingContext
    random: Callable[[int], bytes]
    clock: Callable[[], datetime]
    alarm: Alarm

    def __call__(self, events: Sequence[Event]) -> Sequence[Event]:
        return [
            replace(event, facts=self.facts(event.data)) if isinstance(event.data, ApplicationAccepted) else event
            for event in events
        ]

    def facts(self, application: ApplicationAccepted) -> ApplicationFacts:
        facts = examine_application(self.context, application, draw_serial(self.random), self.clock())
        if isinstance(facts, Stopped) and facts.is_by_request:
            self.alarm(application, facts.findings)
        elif isinstance(facts, Unissuable) and facts.code == NO_KEY:
            self.alarm(application, (facts.code,))
        return facts


def examine_application(
    context: IssuingContext, application: ApplicationAccepted, serial: int, moment: datetime
) -> Linted | Unissuable | Stopped:
    """Return the linted draft for `application` with this serial number, issued at `moment`, or why there is none."""
    try:
        if faults := request_faults(b64decode(application.csr)):
            return Stopped(application, _issuer_for(context, application, moment).id, faults)
        contents = contents_of(context, application, serial, moment)
        tbs = build_tbs(contents)
        if findings := tuple(context.lint(contents, tbs)):
            return Stopped(application, contents.issuer.id, findings)
        return Linted.of(contents, tbs)
    except ValidityRefused:
        return _refused(context, application, "validity", moment)
    except CertificateRefused as refused:
        return _refused(context, application, refused.code, moment)
    except AuthorityMissing:
        return unissuable("no-issuer")


def _refused(
    context: IssuingContext, application: ApplicationAccepted, code: str, moment: datetime
) -> Unissuable | Stopped:
    """Return why there is no draft: a stop by a fault of ours or another version of the profile, else a refusal.

    A granted decision is not taken back because a release changed a profile, or a CA ends too soon: an operator acts.
    """
    profile = context.profiles.by_type.get(application.type)
    same_version = profile is None or application.profile_version in (None, profile.version)
    if profile is None or code == NO_KEY or (same_version and not is_fault_of_authority(code)):
        return unissuable(code)
    return Stopped(application, _issuer_for(context, application, moment).id, (f"profile.{code}",))


@lru_cache(maxsize=500)
def request_faults(request: bytes) -> tuple[str, ...]:
    """Return the codes of all faults of a request: its signature, its key, and their form in DER (A4, F2).

    Intake checked the same. It is checked again because a CA's key follows from it, but for the one costly check of
    the key, whether its modulus is prime. Who examines an application mostly signs for it a moment later, and asks
    again then: the same octets have the same faults.
    """
    judged = judge_csr(request, weaknesses)
    if isinstance(judged, Csr):
        return () if judged.der == request else (f"{REQUEST_FINDING}not-der",)
    return tuple(REQUEST_FINDING + fault.code for fault in judged)


def _issuer_for(context: IssuingContext, application: ApplicationAccepted, moment: datetime) -> IssuerInfo:
    """Return the CA of an application. Raise CertificateRefused or AuthorityMissing."""
    return _issuer_of(context, _profile_of(context, application), public_key_of(b64decode(application.csr)), moment)


def contents_of(
    context: IssuingContext,
    application: ApplicationAccepted,
    serial: int,
    moment: datetime,
    intended: Linted | None = None,
) -> Contents:
    """Return the certificate's contents: with profile, CA and CRL partition as intended, or those of the moment.

    Raise CertificateRefused, ValidityRefused or AuthorityMissing.
    """
    profile = _profile_of(context, application, intended)
    spki = public_key_of(b64decode(application.csr))
    if intended is None:
        issuer, partition = _issuer_of(context, profile, spki, moment), partition_of(serial, context.partitions)
    else:
        issuer, partition = context.authority.issuer(intended.issuer), intended.partition
    period = granted(
        profile, moment, application.due, application.start_date, application.validity_days, issuer.not_before
    )
    crl, ca_issuers_url, ocsp_url = context.addresses_in(issuer, partition)
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


def _profile_of(context: IssuingContext, application: ApplicationAccepted, intended: Linted | None = None) -> Profile:
    profile = context.profiles.find(application.type, intended.profile_version if intended else None)
    if profile is None:
        raise CertificateRefused("no-profile", f"There is no profile for {application.type}.")
    return profile


def _issuer_of(context: IssuingContext, profile: Profile, spki: bytes, moment: datetime) -> IssuerInfo:
    return context.authority.issuer_for(profile.environment, family_of(spki), moment)


@lru_cache(maxsize=500)
def public_key_of(request: bytes) -> bytes:
    """Return the DER SubjectPublicKeyInfo of a DER request. Raise CertificateRefused with the code `key`."""
    try:
        spki = spki_of(x509.load_der_x509_csr(request).public_key())
        family_of(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateRefused(NO_KEY, "The request holds neither an RSA nor an EC P-384 key.") from None
    return spki

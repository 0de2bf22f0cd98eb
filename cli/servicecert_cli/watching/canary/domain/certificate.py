"""The verdicts on the canary's certificate, on its CRL and on its OCSP answer, as a relying party checks them."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from servicecert_pki.crl_reading import Unreadable, is_signed, load
from servicecert_pki.issued import CertificateUntrusted, read_with_chain
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_pki.profile import Environment, Profile
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.application import Form
from servicecert_schemas.case import CaseCertificate
from servicecert_schemas.certificate import CertificateIssued

from .stages import NotYet, Stuck, require

SKEW = timedelta(minutes=1)
"""How far the clocks of the parts may differ."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was applied for, and the SHA-256 of its key."""

    form: Form
    key_sha256: str


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate that is right: the CA that signed it, its serial number, and the addresses that it names."""

    issuer: IssuerInfo
    serial: int
    crl_url: str
    ocsp_url: str


def verify(
    issued: CertificateIssued,
    shown: CaseCertificate,
    wanted: Wanted,
    trusted: Mapping[str, bytes],
    profile: Profile,
    now: datetime,
) -> Certified:
    """Return the verified certificate of the event; `shown` is what the e-service shows of it. Raises Stuck.

    `trusted` are the DER certificates of the issuing CAs by name, from outside Kafka. `profile` is that of the type.
    """
    encoded, chain = b64decode(issued.certificate), [b64decode(each) for each in issued.chain]
    try:
        values = read_with_chain(encoded, chain)
    except CertificateUntrusted as fault:
        raise Stuck(f"the certificate of the event is wrong: {fault}") from None
    require(
        trusted.get(issued.issuer) == chain[0],
        f"the CA {issued.issuer} is none of SERVICECERT_CANARY_CA_CERTIFICATES: add its certificate if it is ours",
    )
    issuing, root = (x509.load_der_x509_certificate(each) for each in (chain[0], chain[-1]))
    issuer = IssuerInfo.of(issued.issuer, Environment.TEST, issuing, root)
    require(issuer.is_of(profile.keys[KeyFamily.EC].ca), f"the CA {issued.issuer} is not that of the profile")
    require(not values.differences(issued), "the event says other values than its certificate")
    is_shown = (values.serial, values.fingerprint) == (shown.serial, shown.fingerprint)
    require(is_shown, "the e-service shows another certificate")
    require(values.key_sha256 == wanted.key_sha256, "the certificate has another key than the request")
    try:
        ocsp_url = _check_contents(x509.load_der_x509_certificate(encoded), wanted.form, issuer)
    except x509.ExtensionNotFound as missing:
        raise Stuck(f"the certificate has no extension {missing.oid.dotted_string}") from None
    require(values.not_before - SKEW <= now < values.not_after, "the certificate is not valid now")
    validity = values.not_after - values.not_before
    require(validity <= timedelta(days=wanted.form.validity_days or 0), "the certificate is valid for too long")
    require(values.crl_url is not None, "the certificate names no CRL")
    return Certified(issuer, int(values.serial, 16), str(values.crl_url), ocsp_url)


def _check_contents(read: x509.Certificate, form: Form, issuer: IssuerInfo) -> str:
    """Require the names, the usages and the policy. Return the address of OCSP."""
    of = read.extensions.get_extension_for_class
    subject = {it.oid: it.value for it in read.subject}
    expected = {
        NameOID.ORGANIZATIONAL_UNIT_NAME: form.unit_long_name,
        NameOID.SERIAL_NUMBER: form.applicant.business_id,
        NameOID.COMMON_NAME: form.names.dns[0],
    }
    require(expected.items() <= subject.items(), "the certificate has another subject")
    names = [x509.DNSName(each) for each in form.names.dns]
    require(list(of(x509.SubjectAlternativeName).value) == names, "the certificate has other names")
    require(not of(x509.BasicConstraints).value.ca, "the certificate is one of a CA")
    require(of(x509.KeyUsage).value.digital_signature, "the certificate's key may not sign")
    usages = list(of(x509.ExtendedKeyUsage).value)
    require(usages == [ExtendedKeyUsageOID.SERVER_AUTH], "the certificate has other usages")
    policies = [it.policy_identifier.dotted_string for it in of(x509.CertificatePolicies).value]
    require(len(policies) == 1 and issuer.allows(policies[0]), "the certificate has a policy that is none of its CA's")
    access = of(x509.AuthorityInformationAccess).value
    urls = [it.access_location.value for it in access if it.access_method == AuthorityInformationAccessOID.OCSP]
    require(len(urls) == 1, "the certificate names no OCSP responder: give authority.toml of the issuer `ocsp`")
    return str(urls[0])


def listed(encoded: bytes, certified: Certified, now: datetime, *, wanted: bool) -> None:
    """Return if a CRL that is valid now covers the certificate, and lists it or not as wanted. Raises NotYet."""
    try:
        crl = load(encoded)
    except Unreadable as fault:
        raise NotYet(f"what is at the CRL's address cannot be used: {fault}") from None
    if crl.issuer.public_bytes() != certified.issuer.subject_der or not is_signed(encoded, crl, certified.issuer):
        raise NotYet(f"the CRL is not signed by {certified.issuer.id}")
    if not _covers(crl, certified.crl_url):
        raise NotYet("the CRL is that of another address")
    if crl.last_update_utc > now + SKEW or crl.next_update_utc is None or crl.next_update_utc <= now:
        raise NotYet("the CRL is outdated: see the log of the revoker, and caches before it")
    is_listed = crl.get_revoked_certificate_by_serial_number(certified.serial) is not None
    if is_listed and not wanted:
        raise NotYet("the CRL lists the certificate, which is not revoked: see the log of the revoker")
    if wanted and not is_listed:
        raise NotYet("the CRL does not list the revoked certificate: see the log of the revoker, and caches before it")


def answered(query: OcspQuery, answer: bytes, wanted: OCSPCertStatus, now: datetime) -> None:
    """Return if an OCSP answer that is valid now says what is wanted. Raises NotYet."""
    try:
        status = query.status(answer, now)
    except OcspUnsound as fault:
        raise NotYet(f"OCSP: {fault}") from None
    if status is not wanted:
        raise NotYet(f"OCSP says {status.name.lower()} and not {wanted.name.lower()}: see the log of the responder")


def _covers(crl: x509.CertificateRevocationList, url: str) -> bool:
    """Return whether it is the full list, or the one whose distribution point is this address (RFC 5280, 5.2.5)."""
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    return [it.value for it in point.full_name or ()] == [url]

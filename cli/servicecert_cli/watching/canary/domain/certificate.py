"""The verdict on the canary's certificate, as a relying party and its customer would check it."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from servicecert_pki.issued import CertificateUntrusted, check_chain
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.profile import Environment, Profile
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.application import Form
from servicecert_schemas.case import CaseCertificate
from servicecert_schemas.certificate import CertificateIssued

from .stages import Stuck, require

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
        values = check_chain(encoded, chain)
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
        ocsp_url = _check_contents(x509.load_der_x509_certificate(encoded), wanted.form, profile)
    except x509.ExtensionNotFound as missing:
        raise Stuck(f"the certificate has no extension {missing.oid.dotted_string}") from None
    require(values.not_before - SKEW <= now < values.not_after, "the certificate is not valid now")
    validity = values.not_after - values.not_before
    require(validity <= timedelta(days=wanted.form.validity_days or 0), "the certificate is valid for too long")
    require(values.crl_url is not None, "the certificate names no CRL")
    return Certified(issuer, int(values.serial, 16), str(values.crl_url), ocsp_url)


def _check_contents(read: x509.Certificate, form: Form, profile: Profile) -> str:
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
    require(policies == [profile.policy], "the certificate has another policy")
    access = of(x509.AuthorityInformationAccess).value
    urls = [it.access_location.value for it in access if it.access_method == AuthorityInformationAccessOID.OCSP]
    require(len(urls) == 1, "the certificate names no OCSP responder: set SERVICECERT_OCSP_URL for the issuer")
    return str(urls[0])

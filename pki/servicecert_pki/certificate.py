"""Service certificates: the exact bytes to be signed, the signature, and the check of the result."""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from . import der
from .issuer import IssuerInfo
from .keys import SIGNATURE_ALGORITHM, PublicKey, SigningKey, family_of_key, verify_signature
from .names import CertificateRefused, check_business_id, check_dns_name, check_subject_text, server_common_name
from .profile import Attribute, ExtensionName, KeyUsage, Profile, StringType, SubjectField, Usage
from .serials import LARGEST_SERIAL
from .spki import family_of, key_identifier
from .validity import validity

_URL = re.compile(r"http://[!-~]+")

_STRING_TYPE = {StringType.PRINTABLE: der.PRINTABLE_STRING, StringType.UTF8: der.UTF8_STRING}
_ATTRIBUTE_OID = {
    Attribute.COUNTRY: "2.5.4.6",
    Attribute.ORGANISATION: "2.5.4.10",
    Attribute.UNIT: "2.5.4.11",
    Attribute.SERIAL_NUMBER: "2.5.4.5",
    Attribute.COMMON_NAME: "2.5.4.3",
}
_EXTENSION_OID = {
    ExtensionName.AUTHORITY_KEY_IDENTIFIER: "2.5.29.35",
    ExtensionName.SUBJECT_KEY_IDENTIFIER: "2.5.29.14",
    ExtensionName.KEY_USAGE: "2.5.29.15",
    ExtensionName.EXTENDED_KEY_USAGE: "2.5.29.37",
    ExtensionName.CERTIFICATE_POLICIES: "2.5.29.32",
    ExtensionName.SUBJECT_ALTERNATIVE_NAME: "2.5.29.17",
    ExtensionName.BASIC_CONSTRAINTS: "2.5.29.19",
    ExtensionName.CRL_DISTRIBUTION_POINTS: "2.5.29.31",
    ExtensionName.AUTHORITY_INFORMATION_ACCESS: "1.3.6.1.5.5.7.1.1",
}
# The bit numbers of RFC 5280, 4.2.1.3, and the key purposes of 4.2.1.12.
_KEY_USAGE_BIT = {KeyUsage.DIGITAL_SIGNATURE: 0, KeyUsage.NON_REPUDIATION: 1, KeyUsage.KEY_ENCIPHERMENT: 2}
_PURPOSE = {Usage.SERVER_AUTH: "1.3.6.1.5.5.7.3.1", Usage.CLIENT_AUTH: "1.3.6.1.5.5.7.3.2"}


class CertificateUnsound(Exception):
    """A signed certificate must not be released; the message is one sentence that names the difference."""


@dataclass(frozen=True)
class Subject:
    """The subject as decided from the application and the registers, never from the request."""

    organisation: str
    unit: str
    business_id: str
    common_name: str


@dataclass(frozen=True)
class AlternativeNames:
    """The subject alternative names; DNS names in lower case."""

    dns: tuple[str, ...] = ()
    ip: tuple[IPv4Address | IPv6Address, ...] = ()


@dataclass(frozen=True)
class Contents:
    """All contents of a certificate. `spki` is a DER SubjectPublicKeyInfo, the URLs are absolute HTTP."""

    profile: Profile
    issuer: IssuerInfo
    subject: Subject
    names: AlternativeNames
    usages: frozenset[Usage]
    spki: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    crl_url: str
    ca_issuers_url: str
    ocsp_url: str | None = None


def build_tbs(contents: Contents) -> bytes:
    """Return the DER TBSCertificate (RFC 5280, 4.1); raises CertificateRefused."""
    check_contents(contents)
    return tbs_of(
        contents.issuer,
        contents.serial,
        (contents.not_before, contents.not_after),
        subject_name(contents.profile, contents.subject),
        contents.spki,
        *(
            der.extension(_EXTENSION_OID[it.name], _extension_value(it.name, contents), critical=it.critical)
            for it in contents.profile.extensions
        ),
    )


def tbs_of(
    issuer: IssuerInfo, serial: int, valid: tuple[datetime, datetime], subject: bytes, spki: bytes, *extended: bytes
) -> bytes:
    return der.sequence(
        der.tlv(0xA0, der.integer(2)),
        der.integer(serial),
        SIGNATURE_ALGORITHM[issuer.family],
        issuer.subject_der,
        der.sequence(*map(der.time, valid)),
        subject,
        spki,
        der.tlv(0xA3, der.sequence(*extended)),
    )


def _extension_value(name: ExtensionName, contents: Contents) -> bytes:
    """Return the DER value of an extension (RFC 5280, 4.2.1 and 4.2.2)."""
    profile, names = contents.profile, contents.names
    match name:
        case ExtensionName.AUTHORITY_KEY_IDENTIFIER:
            return contents.issuer.authority_key_identifier
        case ExtensionName.SUBJECT_KEY_IDENTIFIER:
            return der.octet_string(key_identifier(contents.spki))
        case ExtensionName.KEY_USAGE:
            bits = profile.key_usage(contents.issuer.family, contents.usages)
            return der.named_bits(*(_KEY_USAGE_BIT[it] for it in bits))
        case ExtensionName.EXTENDED_KEY_USAGE:
            return der.sequence(*map(der.oid, sorted(_PURPOSE[it] for it in contents.usages)))
        case ExtensionName.CERTIFICATE_POLICIES:
            cps = der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.tlv(0x16, (profile.cps or "").encode("ascii")))
            return der.sequence(der.sequence(der.oid(profile.policy), der.sequence(cps) if profile.cps else b""))
        case ExtensionName.SUBJECT_ALTERNATIVE_NAME:
            hosts = [der.tlv(0x82, it.encode("ascii")) for it in names.dns]
            return der.sequence(*hosts, *(der.tlv(0x87, it.packed) for it in names.ip))
        case ExtensionName.BASIC_CONSTRAINTS:
            # CA:FALSE is the default and is not written.
            return der.sequence()
        case ExtensionName.CRL_DISTRIBUTION_POINTS:
            return der.sequence(der.sequence(distribution_point_name(contents.crl_url)))
        case ExtensionName.AUTHORITY_INFORMATION_ACCESS:
            methods = (("1.3.6.1.5.5.7.48.1", contents.ocsp_url), ("1.3.6.1.5.5.7.48.2", contents.ca_issuers_url))
            return der.sequence(
                *(der.sequence(der.oid(method), _uri(url)) for method, url in methods if url is not None)
            )


def distribution_point_name(url: str) -> bytes:
    """Return the DistributionPointName of a list at one URL (RFC 5280, 4.2.1.13)."""
    return der.tlv(0xA0, der.tlv(0xA0, _uri(url)))


def _uri(url: str) -> bytes:
    return der.tlv(0x86, url.encode("ascii"))


def subject_name(profile: Profile, subject: Subject) -> bytes:
    """Return the DER Name, with the profile's attributes and string types, in its order."""
    values = _field_values(subject)
    return der.sequence(
        *(
            der.tlv(
                der.SET,
                der.sequence(
                    der.oid(_ATTRIBUTE_OID[it.attribute]),
                    der.tlv(_STRING_TYPE[it.string], (values[it.field] if it.field else it.text).encode()),
                ),
            )
            for it in profile.subject
        )
    )


def _field_values(subject: Subject) -> dict[SubjectField, str]:
    return {
        SubjectField.ORGANISATION: subject.organisation,
        SubjectField.UNIT: subject.unit,
        SubjectField.BUSINESS_ID: subject.business_id,
        SubjectField.COMMON_NAME: subject.common_name,
    }


def check_contents(contents: Contents) -> None:
    """Raise CertificateRefused unless the contents conform to their profile and their issuer."""
    _check_issuer(contents)
    _check_names(contents)
    if contents.usages and not contents.usages <= contents.profile.usages:
        raise CertificateRefused("usage", f"A {contents.profile.type_id} certificate has no extended key usage.")
    if contents.profile.usages and not contents.usages:
        raise CertificateRefused("usage", f"A {contents.profile.type_id} certificate needs an extended key usage.")
    if not 0 < contents.serial <= LARGEST_SERIAL:
        raise CertificateRefused("serial", "A serial number is positive and has at most 20 octets.")
    for url in (contents.crl_url, contents.ca_issuers_url, contents.ocsp_url):
        if url is not None and _URL.fullmatch(url) is None:
            raise CertificateRefused("url", "The URLs in a certificate are absolute and begin with http://.")


def _check_issuer(contents: Contents) -> None:
    profile, issuer = contents.profile, contents.issuer
    if issuer.environment is not profile.environment:
        raise CertificateRefused("environment", f"{issuer.id} does not issue {profile.environment} certificates.")
    rules = profile.keys[issuer.family]
    if not issuer.is_of(rules.ca):
        raise CertificateRefused("issuer", f"{issuer.id} does not issue {profile.type_id} certificates.")
    try:
        family = family_of(contents.spki)
    except ValueError:
        family = None
    if family is not issuer.family:
        raise CertificateRefused("key-family", f"{issuer.id} signs {issuer.family} keys only.")
    if not profile.allows_key(contents.spki):
        raise CertificateRefused(
            "key-size", f"A {profile.type_id} certificate holds no {issuer.family} key of this size."
        )
    if not contents.not_before < contents.not_after:
        raise CertificateRefused("validity", "A certificate ends after it begins.")
    if contents.not_after > validity(profile, contents.not_before).not_after:
        raise CertificateRefused("validity", f"The validity is longer than that of a {profile.type_id} certificate.")
    if contents.not_before < issuer.not_before or contents.not_after > issuer.not_after:
        raise CertificateRefused("issuer-validity", f"The certificate of {issuer.id} is not valid for so long.")


def _check_names(contents: Contents) -> None:
    subject, names = contents.subject, contents.names
    values = _field_values(subject)
    for it in contents.profile.subject:
        if it.field is not None:
            check_subject_text(values[it.field], it.longest)
    check_business_id(subject.business_id)
    if not contents.profile.dns_names:
        if names.dns or names.ip:
            raise CertificateRefused("names", "This certificate type has no alternative names.")
        return
    if max(len(names.dns), len(names.ip)) > contents.profile.most_names:
        raise CertificateRefused("names", f"At most {contents.profile.most_names} names of each kind fit.")
    if len({*names.dns, *names.ip}) < len(names.dns) + len(names.ip):
        raise CertificateRefused("names", "A name is given twice.")
    if any(check_dns_name(name) != name for name in names.dns):
        raise CertificateRefused("names", "DNS names are written in lower case.")
    most = contents.profile.longest(SubjectField.COMMON_NAME)
    if subject.common_name != server_common_name(names.dns, most):
        raise CertificateRefused("names", f"The common name is the first DNS name of at most {most} characters.")


def sign_tbs(tbs: bytes, key: SigningKey) -> bytes:
    """Return the DER certificate: the bytes and their signature. With a CA's key only `ca_signing` calls it (F3)."""
    return der.sequence(tbs, SIGNATURE_ALGORITHM[key.family], der.bit_string(key.sign(tbs)))


def verify_certificate(certificate: bytes, tbs: bytes, issuer_key: PublicKey) -> None:
    """Raise CertificateUnsound unless the certificate holds exactly `tbs` and the issuer's signature (B4)."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion):
        raise CertificateUnsound("The signed certificate cannot be read back.") from None
    if parsed.tbs_certificate_bytes != tbs:
        raise CertificateUnsound("The signed certificate differs from the stored bytes.")
    algorithm = SIGNATURE_ALGORITHM[family_of_key(issuer_key)]
    if certificate != der.sequence(tbs, algorithm, der.bit_string(parsed.signature)):
        raise CertificateUnsound("The certificate's signature algorithm is not its issuer's.")
    try:
        verify_signature(issuer_key, parsed.signature, tbs)
    except InvalidSignature:
        raise CertificateUnsound("The certificate's signature does not verify with its issuer's key.") from None


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a DER certificate in 64 lower-case hexadecimal digits."""
    return sha256(certificate).hexdigest()

"""A second encoder of the TBSCertificate, which must produce the same bytes as the first (B3).

It uses `cryptography`, which is written in Rust and shares nothing with `der.py`. Its inputs are read again from the
profile and the issuer's certificate; the OIDs of attributes, extensions and purposes are that library's.

The library encodes a certificate only when it signs it, so it gets a dummy key. It counts the limits of a subject in
octets, where the rules count characters, and warns about longer values; that warning is suppressed.
"""

import warnings
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from .certificate import Contents
from .keys import PublicKey
from .profile import Attribute, ExtensionName, KeyUsage, StringType, SubjectField, Usage
from .spki import KeyFamily

warnings.filterwarnings("ignore", message="Attribute's length must be", module=__name__)

_ATTRIBUTE = {
    Attribute.COUNTRY: NameOID.COUNTRY_NAME,
    Attribute.ORGANISATION: NameOID.ORGANIZATION_NAME,
    Attribute.UNIT: NameOID.ORGANIZATIONAL_UNIT_NAME,
    Attribute.SERIAL_NUMBER: NameOID.SERIAL_NUMBER,
    Attribute.COMMON_NAME: NameOID.COMMON_NAME,
}
_STRING = {StringType.PRINTABLE: _ASN1Type.PrintableString, StringType.UTF8: _ASN1Type.UTF8String}
_PURPOSE = {Usage.SERVER_AUTH: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH}


def _unsupported(*_: object) -> NoReturn:
    raise TypeError("A dummy key has no key material.")


class _DummyKey:
    """The part of a key that the library uses: a signature, which it does not check."""

    exchange = decrypt = private_numbers = private_bytes = public_key = _unsupported

    def sign(self, *_: object) -> bytes:
        return b"\0"

    def __copy__(self) -> object:
        return self

    def __deepcopy__(self, _: object) -> object:
        return self


class _DummyRsaKey(_DummyKey, rsa.RSAPrivateKey):  # type: ignore[misc]
    key_size = 4096


class _DummyEcKey(_DummyKey, ec.EllipticCurvePrivateKey):  # type: ignore[misc]
    curve = ec.SECP384R1()
    key_size = 384


_DUMMY_RSA_KEY = _DummyRsaKey()
_DUMMY_EC_KEY = _DummyEcKey()


@dataclass(frozen=True)
class SecondEncoder:
    """Encodes contents, with a cache of the issuers' names and key identifiers."""

    _issuers: dict[str, tuple[bytes, x509.Name, x509.AuthorityKeyIdentifier]] = field(default_factory=dict)

    def encode(self, contents: Contents) -> bytes:
        """Return the DER TBSCertificate; raises ValueError or TypeError for contents that `cryptography` rejects."""
        key = load_der_public_key(contents.spki)
        if not isinstance(key, PublicKey):
            raise TypeError("the public key is neither RSA nor EC")
        issuer_name, authority_key = self._issuer(contents)
        builder = (
            x509.CertificateBuilder()
            .issuer_name(issuer_name)
            .subject_name(_subject(contents))
            .serial_number(contents.serial)
            .not_valid_before(contents.not_before)
            .not_valid_after(contents.not_after)
            .public_key(key)
        )
        for rule in contents.profile.extensions:
            value = (
                authority_key
                if rule.name is ExtensionName.AUTHORITY_KEY_IDENTIFIER
                else _value(rule.name, contents, key)
            )
            builder = builder.add_extension(value, critical=rule.critical)
        if contents.issuer.family is KeyFamily.RSA:
            return builder.sign(_DUMMY_RSA_KEY, hashes.SHA512()).tbs_certificate_bytes
        return builder.sign(_DUMMY_EC_KEY, hashes.SHA384()).tbs_certificate_bytes

    def _issuer(self, contents: Contents) -> tuple[x509.Name, x509.AuthorityKeyIdentifier]:
        """Return the issuer's name and key identifier from its certificate."""
        issuer = contents.issuer
        cached = self._issuers.get(issuer.id)
        if cached is None or cached[0] is not issuer.certificate_der:
            certificate = x509.load_der_x509_certificate(issuer.certificate_der)
            key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)
            cached = self._issuers[issuer.id] = (issuer.certificate_der, certificate.subject, authority_key)
        return cached[1], cached[2]


def _subject(contents: Contents) -> x509.Name:
    subject = contents.subject
    values = {
        SubjectField.ORGANISATION: subject.organisation,
        SubjectField.UNIT: subject.unit,
        SubjectField.BUSINESS_ID: subject.business_id,
        SubjectField.COMMON_NAME: subject.common_name,
    }
    return x509.Name(
        x509.NameAttribute(
            _ATTRIBUTE[it.attribute], values[it.field] if it.field else it.text, _STRING[it.string], _validate=False
        )
        for it in contents.profile.subject
    )


def _value(name: ExtensionName, contents: Contents, key: PublicKey) -> x509.ExtensionType:
    profile = contents.profile
    match name:
        case ExtensionName.SUBJECT_KEY_IDENTIFIER:
            return x509.SubjectKeyIdentifier.from_public_key(key)
        case ExtensionName.KEY_USAGE:
            bits = profile.keys[contents.issuer.family].usage
            return _key_usage({bit for bit, purpose in bits.items() if purpose in (None, *contents.usages)})
        case ExtensionName.EXTENDED_KEY_USAGE:
            purposes = [_PURPOSE[usage] for usage in contents.usages]
            return x509.ExtendedKeyUsage(sorted(purposes, key=lambda purpose: purpose.dotted_string))
        case ExtensionName.CERTIFICATE_POLICIES:
            return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(profile.policy), None)])
        case ExtensionName.SUBJECT_ALTERNATIVE_NAME:
            return _alternative_names(contents.names.dns, contents.names.ip)
        case ExtensionName.BASIC_CONSTRAINTS:
            return x509.BasicConstraints(ca=False, path_length=None)
        case ExtensionName.CRL_DISTRIBUTION_POINTS:
            full_name = [x509.UniformResourceIdentifier(contents.crl_url)]
            return x509.CRLDistributionPoints([x509.DistributionPoint(full_name, None, None, None)])
        case ExtensionName.AUTHORITY_INFORMATION_ACCESS:
            return _access(contents.ca_issuers_url, contents.ocsp_url)
    raise TypeError(f"no value for {name}")


def _key_usage(usage: set[KeyUsage]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=KeyUsage.DIGITAL_SIGNATURE in usage,
        content_commitment=KeyUsage.NON_REPUDIATION in usage,
        key_encipherment=KeyUsage.KEY_ENCIPHERMENT in usage,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(dns: tuple[str, ...], ip: tuple[IPv4Address | IPv6Address, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([*map(x509.DNSName, dns), *map(x509.IPAddress, ip)])


def _access(ca_issuers_url: str, ocsp_url: str | None) -> x509.AuthorityInformationAccess:
    """Return the access descriptions, the OCSP responder first if there is one."""
    methods = [(AuthorityInformationAccessOID.OCSP, ocsp_url)] if ocsp_url else []
    methods.append((AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers_url))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in methods]
    )

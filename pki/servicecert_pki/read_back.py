"""A certificate to be signed as another library reads it: what its bytes say, whoever encoded them (B3).

`cryptography` decodes what `der.py` encoded, and shares no code with it. The OIDs of attributes, extensions and
purposes are that library's, the issuer's name and key identifier those of its certificate.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from . import der
from .certificate import AlternativeNames, Contents, Subject
from .issuer import IssuerInfo
from .keys import SIGNATURE_ALGORITHM
from .profile import Attribute, ExtensionName, KeyUsage, Profile, StringType, Usage
from .spki import key_identifier

_ATTRIBUTE = {
    NameOID.COUNTRY_NAME: Attribute.COUNTRY,
    NameOID.ORGANIZATION_NAME: Attribute.ORGANISATION,
    NameOID.ORGANIZATIONAL_UNIT_NAME: Attribute.UNIT,
    NameOID.SERIAL_NUMBER: Attribute.SERIAL_NUMBER,
    NameOID.COMMON_NAME: Attribute.COMMON_NAME,
}
_STRING_TYPE = {_ASN1Type.PrintableString: StringType.PRINTABLE, _ASN1Type.UTF8String: StringType.UTF8}
_USAGE = {ExtendedKeyUsageOID.SERVER_AUTH: Usage.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH: Usage.CLIENT_AUTH}
_KEY_USAGE = {
    "digital_signature": KeyUsage.DIGITAL_SIGNATURE,
    "content_commitment": KeyUsage.NON_REPUDIATION,
    "key_encipherment": KeyUsage.KEY_ENCIPHERMENT,
    **dict.fromkeys(("data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")),
}
_EXTENSION: Mapping[type[object], ExtensionName] = {
    x509.AuthorityKeyIdentifier: ExtensionName.AUTHORITY_KEY_IDENTIFIER,
    x509.SubjectKeyIdentifier: ExtensionName.SUBJECT_KEY_IDENTIFIER,
    x509.KeyUsage: ExtensionName.KEY_USAGE,
    x509.ExtendedKeyUsage: ExtensionName.EXTENDED_KEY_USAGE,
    x509.CertificatePolicies: ExtensionName.CERTIFICATE_POLICIES,
    x509.SubjectAlternativeName: ExtensionName.SUBJECT_ALTERNATIVE_NAME,
    x509.BasicConstraints: ExtensionName.BASIC_CONSTRAINTS,
    x509.CRLDistributionPoints: ExtensionName.CRL_DISTRIBUTION_POINTS,
    x509.AuthorityInformationAccess: ExtensionName.AUTHORITY_INFORMATION_ACCESS,
}

_END_ENTITY = x509.BasicConstraints(ca=False, path_length=None)
_Extensions: TypeAlias = Mapping[ExtensionName, Any]


@lru_cache(maxsize=500)
def difference(contents: Contents, tbs: bytes) -> str | None:
    """Return the first of the contents that DER `tbs` has otherwise, `form` if it has none of their profile, or None.

    Who examines a certificate mostly signs it a moment later, and asks again then: the same bytes say the same.
    """
    read = read_contents(tbs, contents.issuer, contents.profile)
    if read is None:
        return "form"
    return next((it.name for it in fields(Contents) if getattr(read, it.name) != getattr(contents, it.name)), None)


def read_contents(tbs: bytes, issuer: IssuerInfo, profile: Profile) -> Contents | None:
    """Return the contents of a DER TBSCertificate of this CA, None if it does not have the form of the profile."""
    read = read_unsigned(tbs, issuer)
    if read is None:
        return None
    try:
        _, _, algorithm, name, _, _, spki, _ = der.parts(tbs)
        extensions = {_EXTENSION[type(it.value)]: it.value for it in read.extensions}
        contents = _contents(read, spki, extensions, issuer, profile)
        its_name, its_key = _ca(issuer.certificate_der)
        is_by_issuer = (algorithm, name) == (SIGNATURE_ALGORITHM[issuer.family], its_name)
        return contents if is_by_issuer and _has_form(read, extensions, contents, its_key) else None
    except (KeyError, TypeError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def read_unsigned(tbs: bytes, issuer: IssuerInfo) -> x509.Certificate | None:
    """Return a DER TBSCertificate of this CA as a certificate, None if it cannot be decoded."""
    try:
        return x509.load_der_x509_certificate(unsigned(tbs, issuer))
    except (ValueError, x509.InvalidVersion):
        return None


def unsigned(tbs: bytes, issuer: IssuerInfo) -> bytes:
    return der.sequence(tbs, SIGNATURE_ALGORITHM[issuer.family], der.bit_string(bytes(64)))


def _contents(
    read: x509.Certificate, spki: bytes, extensions: _Extensions, issuer: IssuerInfo, profile: Profile
) -> Contents:
    """Return the contents. Raises KeyError, ValueError or TypeError where one is missing, or of another kind."""
    subject = {_ATTRIBUTE[it.oid]: str(it.value) for it in read.subject}
    names = extensions.get(ExtensionName.SUBJECT_ALTERNATIVE_NAME, x509.SubjectAlternativeName([]))
    ((crl_url,),) = (point.full_name for point in extensions[ExtensionName.CRL_DISTRIBUTION_POINTS])
    described = extensions[ExtensionName.AUTHORITY_INFORMATION_ACCESS]
    access = {it.access_method: _url(it.access_location) for it in described}
    ((cps,),) = (it.policy_qualifiers or (None,) for it in extensions[ExtensionName.CERTIFICATE_POLICIES])
    if not isinstance(cps, str | None):
        raise TypeError("the practice statement is no URL")
    return Contents(
        profile=profile if cps == profile.cps else replace(profile, cps=cps),
        issuer=issuer,
        subject=Subject(
            organisation=subject[Attribute.ORGANISATION],
            unit=subject[Attribute.UNIT],
            business_id=subject[Attribute.SERIAL_NUMBER],
            common_name=subject[Attribute.COMMON_NAME],
        ),
        names=AlternativeNames(
            tuple(names.get_values_for_type(x509.DNSName)), tuple(names.get_values_for_type(x509.IPAddress))
        ),
        usages=frozenset(_USAGE[it] for it in extensions.get(ExtensionName.EXTENDED_KEY_USAGE, ())),
        spki=spki,
        serial=read.serial_number,
        not_before=read.not_valid_before_utc,
        not_after=read.not_valid_after_utc,
        crl_url=_url(crl_url),
        ca_issuers_url=access[AuthorityInformationAccessOID.CA_ISSUERS],
        ocsp_url=access.get(AuthorityInformationAccessOID.OCSP),
    )


def _url(name: x509.GeneralName) -> str:
    if not isinstance(name, x509.UniformResourceIdentifier):
        raise TypeError("the name is no URL")
    return name.value


def _has_form(
    read: x509.Certificate, extensions: _Extensions, contents: Contents, authority_key: x509.AuthorityKeyIdentifier
) -> bool:
    """Return whether all that is not among the contents is as their profile has it, and as their issuer's key."""
    profile, key_usage = contents.profile, extensions[ExtensionName.KEY_USAGE]
    subject = [(_ATTRIBUTE[it.oid], _STRING_TYPE[it._type], str(it.value)) for it in read.subject]
    bits = profile.keys[contents.issuer.family].usage.items()
    policies = [(it.policy_identifier, it.policy_qualifiers) for it in extensions[ExtensionName.CERTIFICATE_POLICIES]]
    return (
        [it[:2] for it in subject] == [(it.attribute, it.string) for it in profile.subject]
        and all(it.field or it.text == text for it, (_, _, text) in zip(profile.subject, subject, strict=True))
        and [(_EXTENSION[type(it.value)], it.critical) for it in read.extensions]
        == [(it.name, it.critical) for it in profile.extensions]
        and extensions[ExtensionName.AUTHORITY_KEY_IDENTIFIER] == authority_key
        and extensions[ExtensionName.SUBJECT_KEY_IDENTIFIER].digest == key_identifier(contents.spki)
        and {bit for name, bit in _KEY_USAGE.items() if getattr(key_usage, name)}
        == {bit for bit, purpose in bits if purpose in (None, *contents.usages)}
        # Any count of unused bits is decoded, one is DER.
        and der.octet_string(key_usage.public_bytes()) in read.tbs_certificate_bytes
        and policies == [(x509.ObjectIdentifier(profile.policy), [profile.cps] if profile.cps else None)]
        and extensions[ExtensionName.BASIC_CONSTRAINTS] == _END_ENTITY
    )


@lru_cache(maxsize=64)
def _ca(certificate: bytes) -> tuple[bytes, x509.AuthorityKeyIdentifier]:
    """Return the DER Name of a CA, and the key identifier in what it signs, by its own DER certificate."""
    read = x509.load_der_x509_certificate(certificate)
    key_id = read.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return read.subject.public_bytes(), x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)

"""Certificates of roots and issuing CAs, and the requests between them.

The names are those of an `Identity`. A CA for trials has TRIAL before them: the root's certificate says it, and the
root says it in the certificates of its CAs. So the mark can be neither taken from a CA nor given to one afterwards.
"""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from . import der
from .identity import Identity
from .keys import SIGNATURE_ALGORITHM, PrivateKey, PublicKey, SigningKey
from .manifest import kind_of, root_id
from .partitions import FULL, certificate_url, crl_url
from .profile import Environment
from .serials import draw_serial
from .spki import KeyFamily, spki_of

TRIAL = "Demonstration"
"""The first word of the name of a CA whose keys protect nobody: `ca init` makes such CAs, a ceremony does not."""

_ROOT_YEARS = 20
_ISSUING_YEARS = 10

_KEY = {KeyFamily.RSA: "RSA 4096", KeyFamily.EC: "EC P-384"}

_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def key_usage(*usages: str) -> x509.KeyUsage:
    """Return the extension with these bits, by their names in `cryptography`."""
    return x509.KeyUsage(**{each: each in usages for each in _USAGES})


KEY_USAGE = key_usage("key_cert_sign", "crl_sign")


def root_name(whose: Identity, environment: Environment, family: KeyFamily, *, trial: bool) -> x509.Name:
    return _name(whose, f"Root CA {environment.capitalize()} {_KEY[family]}", trial)


def issuing_name(whose: Identity, id: str, *, trial: bool = False) -> x509.Name:
    """Return the subject of an issuing CA. Each generation has its own, so that their CRLs cannot be confused.

    A request has no mark of a trial: its root adds it.
    """
    environment, family, generation = kind_of(id)
    number = f" Generation {generation}" if generation > 1 else ""
    return _name(whose, f"Issuing CA {environment.capitalize()} {_KEY[family]}{number}", trial)


def is_trial(ca: x509.Certificate) -> bool:
    names = ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any(str(name.value).startswith(f"{TRIAL} ") for name in names)


def make_root(key: PrivateKey, name: x509.Name, now: datetime) -> x509.Certificate:
    builder = builder_of(key.public_key(), name, now, _after(now, _ROOT_YEARS)).issuer_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, _hash(key))


def make_request(key: SigningKey, name: x509.Name) -> bytes:
    """Return a DER PKCS#10 request (RFC 2986) for an issuing CA, signed by its key, which may be in a token."""
    spki = spki_of(key.public_key())
    information = der.sequence(der.integer(0), name.public_bytes(), spki, der.tlv(0xA0))
    return der.sequence(information, SIGNATURE_ALGORITHM[key.family], der.bit_string(key.sign(information)))


def make_issuing(
    root: x509.Certificate,
    root_key: PrivateKey,
    key: PublicKey,
    whose: Identity,
    id: str,
    policies: tuple[str, ...],
    now: datetime,
) -> x509.Certificate:
    """Sign an issuing CA's certificate, limited to the environment's policies. It does not outlive its root.

    It names its root's CRL and certificate where the revoker publishes them, if the authority says where that is.
    """
    root_key_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    ends = min(_after(now, _ISSUING_YEARS), root.not_valid_after_utc)
    information = [x509.PolicyInformation(x509.ObjectIdentifier(policy), None) for policy in policies]
    builder = (
        builder_of(key, issuing_name(whose, id, trial=is_trial(root)), now, ends)
        .issuer_name(root.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.CertificatePolicies(information), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_key_id), critical=False)
    )
    if whose.repository is not None:
        name = root_id(*kind_of(id)[:2])
        base = whose.repository.crls
        crl, certificate = crl_url(base, name, FULL), certificate_url(base, name)
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(certificate)
        )
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.sign(root_key, _hash(root_key))


def sign_root_crl(
    root: x509.Certificate,
    root_key: PrivateKey,
    number: int,
    this_update: datetime,
    next_update: datetime,
    entries: Iterable[x509.RevokedCertificate],
) -> x509.CertificateRevocationList:
    """Sign a root's CRL. Times are aware and in whole seconds."""
    root_key_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_key_id), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(root_key, _hash(root_key))


def _after(now: datetime, years: int) -> datetime:
    """Return the same day some years later; 29 February counts as the 28th."""
    return now.replace(year=now.year + years, day=28 if (now.month, now.day) == (2, 29) else now.day)


def builder_of(
    key: PublicKey, subject: x509.Name, now: datetime, ends: datetime, usage: x509.KeyUsage = KEY_USAGE
) -> x509.CertificateBuilder:
    """Return a builder with the fields that all certificates have whose bytes are not given by a profile."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(draw_serial())
        .not_valid_before(now)
        .not_valid_after(ends)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(whose: Identity, common_name: str, trial: bool) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, whose.country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, whose.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{TRIAL} {common_name}" if trial else common_name),
        ]
    )


def _hash(key: PrivateKey) -> hashes.SHA384 | hashes.SHA512:
    return hashes.SHA512() if isinstance(key, rsa.RSAPrivateKey) else hashes.SHA384()

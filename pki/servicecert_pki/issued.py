"""What a certificate says of itself, for those who act on what an event says of it (F2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from .certificate import CertificateUnsound, fingerprint, verify_certificate
from .issuer import IssuerInfo
from .keys import PublicKey
from .partitions import partition_in
from .serials import serial_hex
from .spki import spki_of, spki_sha256

_CHAINS = 64
"""So many checked chains are remembered; each CA's generation has one."""


class CertificateUntrusted(Exception):
    """Not a certificate of these CAs: `code` is `unreadable`, `unknown-ca`, `signature` or `chain`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate's own values, named and written as in events. `crl_url` is its CRL distribution point, if any."""

    serial: str
    serial_decimal: str
    subject: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key_sha256: str
    crl_url: str | None

    def differences(self, told: object) -> tuple[str, ...]:
        """Return the names of the values that `told`, with attributes of these names, has otherwise.

        The subject is left out: a name has several texts.
        """
        names = ("serial", "serial_decimal", "not_before", "not_after", "fingerprint", "key_sha256")
        return tuple(name for name in names if getattr(told, name) != getattr(self, name))


def read_certificate(encoded: bytes) -> tuple[x509.Certificate, IssuedCertificate]:
    """Return a DER certificate and its values. Raises CertificateUntrusted."""
    try:
        read = x509.load_der_x509_certificate(encoded)
        return read, IssuedCertificate(
            serial=serial_hex(read.serial_number).lower(),
            serial_decimal=str(read.serial_number),
            subject=subject_text(read),
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
            fingerprint=fingerprint(encoded),
            key_sha256=spki_sha256(spki_of(read.public_key())),
            crl_url=_crl_url(read),
        )
    except (
        TypeError,
        ValueError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        raise CertificateUntrusted("unreadable", "The certificate cannot be read.") from None


def read_issued(encoded: bytes, issuers: Iterable[IssuerInfo]) -> tuple[IssuerInfo, IssuedCertificate]:
    """Return the CA that signed a DER certificate, and the certificate's values. Raises CertificateUntrusted."""
    read, issued = read_certificate(encoded)
    name = read.issuer.public_bytes()
    issuer = next((it for it in issuers if it.subject_der == name), None)
    if issuer is None:
        raise CertificateUntrusted("unknown-ca", "The certificate names a CA that is not ours.")
    check_signed(encoded, read, issuer.public_key)
    return issuer, issued


def check_signed(encoded: bytes, read: x509.Certificate, key: object) -> None:
    """Raise CertificateUntrusted unless a CA's `key` signed exactly this certificate."""
    try:
        if not isinstance(key, PublicKey):
            raise CertificateUnsound("The CA's key is neither RSA nor EC.")
        verify_certificate(encoded, read.tbs_certificate_bytes, key)
    except CertificateUnsound:
        raise CertificateUntrusted("signature", "The certificate is not signed by the CA that it names.") from None


def read_with_chain(encoded: bytes, chain: Iterable[bytes], is_verified: bool = False) -> IssuedCertificate:
    """Return the values of a DER certificate that names the first of `chain`, of which each next one signed the last.

    `is_verified` if somebody has verified the certificate's own signature. Says nothing about whose chain that is.
    Raises CertificateUntrusted.
    """
    read, issued = read_certificate(encoded)
    parents = tuple(chain)
    if not parents:
        raise CertificateUntrusted("chain", "The certificate has no chain.")
    _check_link(encoded, read, _top(parents), is_verified)
    return issued


@lru_cache(maxsize=_CHAINS)
def _top(parents: tuple[bytes, ...]) -> x509.Certificate:
    """Return the first certificate of a checked chain. It is remembered: few CAs sign all certificates."""
    for below, above in pairwise((*parents, parents[-1])):
        _check_link(below, _load(below), _load(above))
    return _load(parents[0])


def _check_link(encoded: bytes, child: x509.Certificate, parent: x509.Certificate, is_verified: bool = False) -> None:
    if child.issuer != parent.subject:
        raise CertificateUntrusted("chain", "The certificate and its chain do not belong together.")
    if not is_verified:
        check_signed(encoded, child, parent.public_key())


def subject_text(read: x509.Certificate) -> str:
    return read.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber"})


def partition_of_certificate(issuer: IssuerInfo, issued: IssuedCertificate) -> int | None:
    """Return the CRL partition that a certificate names (D7), None if it names none of its CA's lists."""
    return None if issued.crl_url is None else partition_in(issued.crl_url, issuer.id)


def _load(encoded: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(encoded)
    except (ValueError, x509.InvalidVersion):
        raise CertificateUntrusted("unreadable", "A certificate of the chain cannot be read.") from None


def _crl_url(read: x509.Certificate) -> str | None:
    try:
        (point,) = read.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    urls = [it.value for it in point.full_name or () if isinstance(it, x509.UniformResourceIdentifier)]
    return urls[0] if len(urls) == 1 else None

"""Certificate signing requests, PKCS#10 (RFC 2986): which are accepted, and every fault of the others (A4).

A request's subject and extensions are ignored: it only proves possession of a key. Its size is one that a profile may
allow; `Profile.allows_key` says whether that of a certificate type does.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from traceback import extract_tb
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from . import csr_faults as fault
from . import der
from .csr_faults import CsrFault, Stop
from .csr_forms import ends_early, unwrapped
from .key_checks import KEY_CHECKS, KeyCheck
from .keys import EcHash, PublicKey, family_of_key, is_signed
from .spki import KEY_SIZES, KeyFamily, family_of, spki_of, spki_sha256
from .strict_der import check_strict

log = logging.getLogger(__name__)

RSA_EXPONENT = 65537
WEAK_HASHES = frozenset({"md5", "sha1"})

_ECDSA: Mapping[x509.ObjectIdentifier, EcHash] = MappingProxyType(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256: hashes.SHA256(),
        SignatureAlgorithmOID.ECDSA_WITH_SHA384: hashes.SHA384(),
        SignatureAlgorithmOID.ECDSA_WITH_SHA512: hashes.SHA512(),
    }
)
_EC_PUBLIC_KEY = der.oid("1.2.840.10045.2.1")


@dataclass(frozen=True)
class Csr:
    """A request whose signature verifies and whose key is allowed.

    `der` is the request, `spki_der` its SubjectPublicKeyInfo, `key` a description such as ``RSA 2048``.
    """

    der: bytes
    spki_der: bytes
    family: KeyFamily
    key: str
    spki_sha256: str


def judge_csr(source: str | bytes, check: KeyCheck = KEY_CHECKS) -> Csr | tuple[CsrFault, ...]:
    """Return the accepted request, or all faults that can be found at once (A4, A10).

    `source` is PEM with any text around it, base64 of DER or PEM, or DER; text in UTF-8, UTF-16 or an 8-bit encoding.
    It is not parsed if larger than 16 KiB. `check` finds faults of the key other than its kind and size.
    """
    try:
        encoded = unwrapped(source)
        request = _parse(encoded)
    except Stop as stop:
        return (stop.fault,)
    try:
        return _judged(encoded, request, check)
    except Stop as stop:
        return (stop.fault, *_hash_faults(request))
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # The applicant chose the numbers of the key: one at which a library raises is no key, and no fault of ours.
        place = extract_tb(error.__traceback__)[-1].name
        log.warning("a check of a request's key raised, so it is refused error=%s in=%s", type(error).__name__, place)
        return (fault.KEY_INVALID, *_hash_faults(request))


def _judged(encoded: bytes, request: x509.CertificateSigningRequest, check: KeyCheck) -> Csr | tuple[CsrFault, ...]:
    spki = public_key_info(encoded)
    key = _public_key(request, spki)
    faults = (*_kind_faults(key, spki), *check(key))
    faults = (*faults, *(_hash_faults(request) or _signature_faults(request, None if faults else key)))
    return faults or _accepted(encoded, key, spki)


def public_key_info(request: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a well-formed DER request, unchanged.

    It is the third member of the CertificationRequestInfo (RFC 2986, 4.1).
    """
    info = next(der.members(request, der.read(request)))
    _, _, spki, *_ = der.members(request, info)
    return request[spki.start : spki.end]


def _parse(encoded: bytes) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_der_x509_csr(encoded)
    except (ValueError, x509.InvalidVersion):
        raise Stop(_misread(encoded)) from None
    try:
        # The library reads the contents of names and attributes only when they are asked for, and never all of them.
        check_strict(encoded)
        # A signature is whole octets; its verification would ignore a count of unused bits (RFC 2986, 4.2).
        *_, signature = der.members(encoded, der.read(encoded))
        if encoded[signature.content] != 0:
            raise ValueError("the signature is not of whole octets")
        return request
    except ValueError as wrong:
        raise Stop(fault.not_der(str(wrong))) from None


def _misread(encoded: bytes) -> CsrFault:
    if ends_early(encoded):
        return fault.CUT
    try:
        x509.load_der_x509_certificate(encoded)
    except ValueError:
        return fault.UNREADABLE
    except x509.InvalidVersion:
        pass
    return fault.CERTIFICATE


def _public_key(request: x509.CertificateSigningRequest, spki: bytes) -> PublicKey:
    """Return the request's key, RSA of any size or EC on any known curve, in its standard form; raises Stop."""
    elliptic = _EC_PUBLIC_KEY in spki
    if elliptic and _has_explicit_curve(spki):
        raise Stop(fault.KEY_EXPLICIT_CURVE)
    try:
        key = request.public_key()
    except UnsupportedAlgorithm:
        raise Stop(fault.KEY_CURVE if elliptic else fault.KEY_ALGORITHM) from None
    except ValueError:
        raise Stop(fault.KEY_OFF_CURVE if elliptic else fault.KEY_INVALID) from None
    if not isinstance(key, PublicKey):
        raise Stop(fault.KEY_ALGORITHM)
    # The certificate would differ from the request for a compressed point, a missing NULL or an RSA-PSS key.
    if spki_of(key) != spki:
        raise Stop(fault.KEY_ENCODING)
    return key


def _has_explicit_curve(spki: bytes) -> bool:
    """Return whether the parameters of an EC key are a SEQUENCE and not the name of a curve (RFC 5480, 2.1.1)."""
    algorithm = next(der.members(spki, der.read(spki)))
    return [member.tag for member in der.members(spki, algorithm)][1:] == [der.SEQUENCE]


def _kind_faults(key: PublicKey, spki: bytes) -> tuple[CsrFault, ...]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return () if _is_on_known_curve(spki) else (fault.KEY_CURVE,)
    size = () if key.key_size in KEY_SIZES[KeyFamily.RSA] else (fault.KEY_SIZE,)
    exponent = () if key.public_numbers().e == RSA_EXPONENT else (fault.KEY_EXPONENT,)
    return (*size, *exponent)


def _is_on_known_curve(spki: bytes) -> bool:
    try:
        return family_of(spki) is KeyFamily.EC
    except ValueError:
        return False


def _hash_faults(request: x509.CertificateSigningRequest) -> tuple[CsrFault, ...]:
    try:
        algorithm = request.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return ()
    return (fault.WEAK_HASH,) if algorithm is not None and algorithm.name in WEAK_HASHES else ()


def _signature_faults(request: x509.CertificateSigningRequest, key: PublicKey | None) -> tuple[CsrFault, ...]:
    """Return the fault of the signature, which is verified only with a `key`.

    A signature with a weak hash proves nothing, and an absurd key may be costly to use.
    """
    try:
        # Raises for an unknown algorithm, even if nothing is verified.
        _ = request.signature_hash_algorithm
        return () if key is None or _proves(request, key) else (fault.SIGNATURE,)
    except (UnsupportedAlgorithm, ValueError):
        return (fault.ALGORITHM,)


def _proves(request: x509.CertificateSigningRequest, key: PublicKey) -> bool:
    algorithm = _ECDSA.get(request.signature_algorithm_oid)
    if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        return is_signed(key, request.signature, algorithm, request.tbs_certrequest_bytes)
    return request.is_signature_valid


def _accepted(encoded: bytes, key: PublicKey, spki: bytes) -> Csr:
    name = f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else f"EC P-{key.key_size}"
    return Csr(encoded, spki, family_of_key(key), name, spki_sha256(spki))

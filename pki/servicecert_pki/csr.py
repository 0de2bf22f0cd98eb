"""Certificate signing requests, PKCS#10 (RFC 2986): what is accepted, and every reason why not (A4).

Nothing of a request's subject or extensions is used: it proves the possession of a key and no more.

    CsrRefused          what `read_csr` raises; carries the same faults that `judge_csr` returns
"""

import base64
import binascii
import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servicecert_pki import der
from servicecert_pki.keys import PublicKey, family_of_key
from servicecert_pki.spki import KeyFamily, spki_sha256

LARGEST_CSR = 16 * 1024
RSA_SIZES = (2048, 3072, 4096)
RSA_EXPONENT = 65537
WEAK_HASHES = frozenset({"md5", "sha1"})

_BEGIN = "-----BEGIN "
_EC_PUBLIC_KEY = der.oid("1.2.840.10045.2.1")
_REQUEST_LABELS = frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})


@dataclass(frozen=True)
class CsrFault:
    """Why a request is refused: a stable `code` and one English sentence that says what to do."""

    code: str
    message: str


class CsrRefused(ValueError):
    """A request with at least one fault; the message holds nothing of the request's bytes."""

    def __init__(self, faults: tuple[CsrFault, ...]) -> None:
        super().__init__(" ".join(fault.message for fault in faults))
        self.faults = faults


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


_TOO_LARGE = CsrFault("csr-too-large", f"The request is larger than {LARGEST_CSR // 1024} KiB; send one request only.")
_UNREADABLE = CsrFault("csr-unreadable", "The file is no PKCS#10 request in PEM or DER; send the .csr file unchanged.")
_CERTIFICATE = CsrFault("csr-is-certificate", "This is a certificate; send the request (.csr) it is to be made from.")
_PRIVATE_KEY = CsrFault(
    "csr-is-private-key",
    "This is or contains a private key, which must never be sent to anyone: discard it, make a new key and send its request.",
)
_SEVERAL = CsrFault("csr-several", "The file holds several requests; send one application for each.")
_KEY_ALGORITHM = CsrFault("key-algorithm", "The key is neither RSA nor elliptic curve; make an RSA or an EC P-384 key.")
_KEY_ENCODING = CsrFault(
    "key-encoding", "The public key is not written in its standard form; make the request with another program."
)
_KEY_SIZE = CsrFault("key-size", "An RSA key has 2048, 3072 or 4096 bits; make a new key of one of these sizes.")
_KEY_EXPONENT = CsrFault("key-exponent", "An RSA key has the public exponent 65537; make a new key with it.")
_KEY_CURVE = CsrFault("key-curve", "The elliptic curve is not P-384 (secp384r1); make a new key on that curve.")
_KEY_INVALID = CsrFault("key-invalid", "The public key in the request is no valid key; make a new key and its request.")
_WEAK_HASH = CsrFault(
    "csr-weak-signature-hash", "The request is signed with MD5 or SHA-1; make it anew with SHA-256 or better."
)
_ALGORITHM = CsrFault(
    "csr-signature-algorithm", "The request is signed in a way this service does not know; make it with SHA-256."
)
_SIGNATURE = CsrFault(
    "csr-signature-invalid", "The request's signature does not verify; make the request anew with the key it is for."
)

# Every fault that `judge_csr` can return, for those who have a text in the customer's language for each.
FAULTS = (
    _TOO_LARGE,
    _UNREADABLE,
    _CERTIFICATE,
    _PRIVATE_KEY,
    _SEVERAL,
    _KEY_ALGORITHM,
    _KEY_ENCODING,
    _KEY_SIZE,
    _KEY_EXPONENT,
    _KEY_CURVE,
    _KEY_INVALID,
    _WEAK_HASH,
    _ALGORITHM,
    _SIGNATURE,
)


class _Stop(Exception):
    """A fault after which there is nothing more to look at."""

    def __init__(self, fault: CsrFault) -> None:
        self.fault = fault


def read_csr(source: str | bytes) -> Csr:
    """Return the accepted request; raises CsrRefused with all its faults."""
    judged = judge_csr(source)
    if isinstance(judged, Csr):
        return judged
    raise CsrRefused(judged)


def judge_csr(source: str | bytes) -> Csr | tuple[CsrFault, ...]:
    """Return the accepted request, or every fault that can be told at once (A4, A10).

    `source` is PEM with any text around it, base64 of DER, or DER. Larger than 16 KiB it is not looked at.
    """
    try:
        encoded = _unwrap(source)
        request = _parse(encoded)
        key = _public_key(request, _spki_of(encoded))
    except _Stop as stop:
        return (stop.fault,)
    faults = _key_faults(key)
    faults = (*faults, *_signature_faults(request, verify=not faults))
    return faults or _accepted(encoded, key)


def _unwrap(source: str | bytes) -> bytes:
    """Return the DER inside whatever a person sent."""
    octets = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(octets) > LARGEST_CSR:
        raise _Stop(_TOO_LARGE)
    # Base64 and text are ASCII, so that a SEQUENCE with a long length can be nothing but DER.
    if len(octets) > 1 and octets[0] == der.SEQUENCE and octets[1] >= 0x80:
        return octets
    text = _decode(octets)
    if "PRIVATE KEY-----" in text:
        raise _Stop(_PRIVATE_KEY)
    return _from_base64(_only_request(text) if _BEGIN in text else text)


def _decode(octets: bytes) -> str:
    """Decode what editors save: UTF-16 where it is marked as such, else anything around ASCII."""
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return octets.decode("utf-16", "replace")
    return octets.removeprefix(codecs.BOM_UTF8).decode("ascii", "replace")


def _only_request(text: str) -> str:
    blocks = list(_blocks(text))
    requests = [body for label, body in blocks if label in _REQUEST_LABELS]
    if len(requests) > 1:
        raise _Stop(_SEVERAL)
    if requests:
        return requests[0]
    is_certificate = any(label.endswith("CERTIFICATE") for label, _ in blocks)
    raise _Stop(_CERTIFICATE if is_certificate else _UNREADABLE)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Find label and body of each armoured block that is closed, in time that grows with the text alone."""
    for piece in text.split(_BEGIN)[1:]:
        label, _, rest = piece.partition("-----")
        body, closing, _ = rest.partition(f"-----END {label}-----")
        if closing:
            yield label, body


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _Stop(_UNREADABLE) from None


def _parse(encoded: bytes) -> x509.CertificateSigningRequest:
    try:
        outer = der.check_strict(encoded)
        tags = [member.tag for member in der.members(encoded, outer)]
        # PKCS#8, PKCS#1 and SEC 1 private keys begin with a version number, encrypted ones end in their octets.
        if tags[:1] == [der.INTEGER] or tags == [der.SEQUENCE, der.OCTET_STRING]:
            raise _Stop(_PRIVATE_KEY)
        return x509.load_der_x509_csr(encoded)
    except (ValueError, x509.InvalidVersion):
        raise _Stop(_CERTIFICATE if _is_certificate(encoded) else _UNREADABLE) from None


def _is_certificate(encoded: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(encoded)
    except ValueError:
        return False
    return True


def _spki_of(encoded: bytes) -> bytes:
    """Return the third member of the CertificationRequestInfo (RFC 2986, 4.1) of a parsed request."""
    info = next(der.members(encoded, der.read(encoded)))
    _, _, spki, *_ = der.members(encoded, info)
    return encoded[spki.start : spki.end]


def _public_key(request: x509.CertificateSigningRequest, spki: bytes) -> PublicKey:
    """Return the request's key, RSA of any size or EC on any curve that can be read, in its standard form."""
    try:
        key = request.public_key()
    except UnsupportedAlgorithm:
        raise _Stop(_KEY_CURVE if _EC_PUBLIC_KEY in spki else _KEY_ALGORITHM) from None
    except ValueError:
        raise _Stop(_KEY_INVALID) from None
    if not isinstance(key, PublicKey):
        raise _Stop(_KEY_ALGORITHM)
    # A compressed point, a missing NULL or an RSA-PSS key would be certified as something else than was sent.
    if _standard_form(key) != spki:
        raise _Stop(_KEY_ENCODING)
    return key


def _standard_form(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_faults(key: PublicKey) -> tuple[CsrFault, ...]:
    """Return what is wrong with the key itself; every check of a key's quality belongs here."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return () if isinstance(key.curve, ec.SECP384R1) else (_KEY_CURVE,)
    size = () if key.key_size in RSA_SIZES else (_KEY_SIZE,)
    exponent = () if key.public_numbers().e == RSA_EXPONENT else (_KEY_EXPONENT,)
    return (*size, *exponent)


def _signature_faults(request: x509.CertificateSigningRequest, *, verify: bool) -> tuple[CsrFault, ...]:
    """Judge the hash, and verify the signature only where that proves something.

    A signature by a weak hash proves nothing, and one by an absurd key may be costly to verify.
    """
    try:
        algorithm = request.signature_hash_algorithm
        if algorithm is not None and algorithm.name in WEAK_HASHES:
            return (_WEAK_HASH,)
        return (_SIGNATURE,) if verify and not request.is_signature_valid else ()
    except (UnsupportedAlgorithm, ValueError):
        return (_ALGORITHM,)


def _accepted(encoded: bytes, key: PublicKey) -> Csr:
    spki = _standard_form(key)
    name = f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "EC P-384"
    return Csr(encoded, spki, family_of_key(key), name, spki_sha256(spki))

"""SubjectPublicKeyInfo: the two supported key families, and the identifiers derived from a key."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha1, sha256
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import der


class KeyFamily(StrEnum):
    """Which algorithm a key belongs to; an issuing CA signs keys of its own family only."""

    RSA = "rsa"
    EC = "ec"


KEY_SIZES: Mapping[KeyFamily, tuple[int, ...]] = MappingProxyType(
    {KeyFamily.RSA: (2048, 3072, 4096), KeyFamily.EC: (384,)}
)
"""All sizes in bits of an applicant's key that a profile may allow (A4). A profile allows some of them."""

CURVES: Mapping[int, str] = MappingProxyType({384: "P-384 (secp384r1)"})
"""The name of the curve of each size of an EC key."""

# rsaEncryption with NULL (RFC 3279, 2.3.1) and id-ecPublicKey with secp384r1 (RFC 5480, 2.1.1).
_ALGORITHM = {
    bytes.fromhex("300d06092a864886f70d0101010500"): KeyFamily.RSA,
    bytes.fromhex("301006072a8648ce3d020106052b81040022"): KeyFamily.EC,
}


def spki_of(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_in(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes | None:
    """Return the DER SubjectPublicKeyInfo of a certificate or request, None if its key cannot be read."""
    try:
        return spki_of(holder.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return None


def family_of(spki: bytes) -> KeyFamily:
    """Return the family of a DER SubjectPublicKeyInfo; one that is neither RSA nor EC P-384 raises ValueError."""
    algorithm, _ = _parts(spki)
    family = _ALGORITHM.get(algorithm)
    if family is None:
        raise ValueError("the public key is neither RSA nor EC P-384")
    return family


def key_size(spki: bytes) -> int:
    """Return the size in bits of an RSA modulus or of the curve P-384; see `family_of` for what is raised."""
    if family_of(spki) is KeyFamily.EC:
        return 384
    _, bits = _parts(spki)
    modulus, _ = der.members(bits, der.read(bits))
    return int.from_bytes(bits[modulus.content : modulus.end], "big").bit_length()


def key_bits(spki: bytes) -> bytes:
    """Return the value of the BIT STRING subjectPublicKey, of which key identifiers are a digest (RFC 6960, 4.1.1)."""
    _, bits = _parts(spki)
    return bits


def key_identifier(spki: bytes) -> bytes:
    """Return the 20-octet key identifier: SHA-1 of the key's bits (RFC 5280, 4.2.1.2, method 1)."""
    return sha1(key_bits(spki), usedforsecurity=False).digest()


def spki_sha256(spki: bytes) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo in 64 lower-case hexadecimal digits."""
    return sha256(spki).hexdigest()


def _parts(spki: bytes) -> tuple[bytes, bytes]:
    """Return the DER AlgorithmIdentifier, and the key's bits without the count of unused bits."""
    algorithm, bits = der.members(spki, der.read(spki))
    return spki[algorithm.start : algorithm.end], spki[bits.content + 1 : bits.end]

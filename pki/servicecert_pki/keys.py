"""Signing keys of the authority: one narrow interface for keys in files and in tokens.

`software_key` implements it for an encrypted file, `token_key` for a PKCS#11 token.

KeyUnavailable      the key cannot be used, such as while its token is away
├── KeyFileMissing  a file of a key, of passphrases or of PINs cannot be read
└── KeyRefused      the passphrase or PIN is wrong, or what a file holds
"""

import logging
from collections.abc import Mapping
from hashlib import new
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from .spki import KeyFamily, spki_of

log = logging.getLogger(__name__)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
EcHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

# sha512WithRSAEncryption (RFC 4055, 5) and ecdsa-with-SHA384 (RFC 5758, 3.2).
SIGNATURE_ALGORITHM = {
    KeyFamily.RSA: bytes.fromhex("300d06092a864886f70d01010d0500"),
    KeyFamily.EC: bytes.fromhex("300a06082a8648ce3d040303"),
}


class KeyUnavailable(Exception):
    """A CA key cannot be used; the message is one sentence that names file or token and what to do."""

    exit_code = 69


class KeyFileMissing(KeyUnavailable):
    """A file cannot be read: a restart does not help."""

    exit_code = 66


class KeyRefused(KeyUnavailable):
    """A passphrase, a PIN or a file is wrong: a restart does not help, and with a token it would do harm."""

    exit_code = 78


class SigningKey(Protocol):
    """A CA key in a file or a token; it is opened once and kept.

    Its representation shows no key material, and it cannot be pickled. An absent token raises KeyUnavailable; once it
    is back, the key works again.
    """

    @property
    def family(self) -> KeyFamily:
        return family_of_key(self.public_key())

    def public_key(self) -> PublicKey: ...

    def sign(self, *parts: bytes) -> bytes:
        """Return the signature of the concatenated `parts`: RSA with SHA-512 and PKCS#1 v1.5, EC with SHA-384.

        The parts are hashed one by one, so that a CRL of many megabytes is not copied. The GIL is released meanwhile.
        """
        ...


def key_of(issuer: str, keys: Mapping[str, SigningKey]) -> SigningKey:
    """Return the key of a CA. Raises KeyUnavailable."""
    try:
        return keys[issuer]
    except KeyError:
        raise KeyUnavailable(f"The key of {issuer} is not in SERVICECERT_CA_DIR; bring that CA back.") from None


def family_of_key(key: PublicKey) -> KeyFamily:
    return KeyFamily.RSA if isinstance(key, rsa.RSAPublicKey) else KeyFamily.EC


def verify_signature(key: PublicKey, signature: bytes, *parts: bytes | memoryview) -> None:
    """Raise `cryptography`'s InvalidSignature unless `SigningKey.sign` made `signature` over the `parts`."""
    algorithm, digest = digest_of(family_of_key(key), parts)
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))
    else:
        verify_digest(key, signature, hashes.SHA384(), digest)


def digest_of(family: KeyFamily, parts: tuple[bytes | memoryview, ...]) -> tuple[hashes.SHA512 | hashes.SHA384, bytes]:
    """Return the family's hash algorithm and the digest of the concatenated `parts`."""
    algorithm = hashes.SHA512() if family is KeyFamily.RSA else hashes.SHA384()
    digest = hashes.Hash(algorithm)
    for part in parts:
        digest.update(part)
    return algorithm, digest.finalize()


def verify_digest(key: ec.EllipticCurvePublicKey, signature: bytes, algorithm: EcHash, digest: bytes) -> None:
    """Raise `cryptography`'s InvalidSignature unless `signature` (DER, RFC 3279 section 2.2.3) is of this digest.

    On P-384 AWS-LC verifies first, which takes a third of OpenSSL's time for it. The CA's keys sign by OpenSSL or in a
    token, so another implementation than the one that signed finds its errors (B4). What AWS-LC does not accept,
    OpenSSL judges: nothing is refused that was accepted without AWS-LC.
    """
    is_p384 = isinstance(key.curve, ec.SECP384R1)
    if is_p384 and _accepts(key, signature, digest):
        return
    key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
    if is_p384:
        log.error("alarm: AWS-LC refuses a signature that OpenSSL accepts; it counts as valid")


def is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, algorithm: EcHash, content: bytes) -> bool:
    try:
        verify_digest(key, signature, algorithm, new(algorithm.name, content).digest())
    except InvalidSignature:
        return False
    return True


def _accepts(key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes) -> bool:
    # Here, because it takes 70 ms, and most commands verify nothing.
    from awscrt.crypto import EC

    try:
        return bool(EC.new_key_from_der_data(spki_of(key)).verify(digest, signature))
    except (RuntimeError, ValueError):
        return False

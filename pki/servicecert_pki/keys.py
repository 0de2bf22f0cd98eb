"""Signing keys of the authority: one narrow interface, and the encrypted PEM file behind it.

KeyUnavailable      the key cannot be opened: file missing, passphrase wrong, not a CA key
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from servicecert_pki.spki import KeyFamily

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# sha512WithRSAEncryption (RFC 4055, 5) and ecdsa-with-SHA384 (RFC 5758, 3.2).
SIGNATURE_ALGORITHM = {
    KeyFamily.RSA: bytes.fromhex("300d06092a864886f70d01010d0500"),
    KeyFamily.EC: bytes.fromhex("300a06082a8648ce3d040303"),
}


class KeyUnavailable(Exception):
    """A CA key cannot be opened; the message is one sentence that names the file and the way out."""


class SigningKey(Protocol):
    """A CA key that may sit in a file or a token; it is opened once and kept."""

    @property
    def family(self) -> KeyFamily:
        """The key's family, which decides the signature algorithm."""
        ...

    def public_key(self) -> PublicKey:
        """Return the public half."""
        ...

    def sign(self, *parts: bytes) -> bytes:
        """Sign the concatenated `parts`: RSA with SHA-512 and PKCS#1 v1.5, EC with SHA-384.

        The parts are hashed one by one, so that a CRL of many megabytes is not copied. Other threads run
        during the signature.
        """
        ...


@dataclass(frozen=True, repr=False)
class SoftwareKey:
    """A signing key in this process's memory; its representation shows nothing of the key."""

    _key: PrivateKey

    @property
    def family(self) -> KeyFamily:
        """See `SigningKey.family`."""
        return family_of_key(self._key.public_key())

    def public_key(self) -> PublicKey:
        """See `SigningKey.public_key`."""
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        """See `SigningKey.sign`."""
        algorithm, digest = _digest(self.family, parts)
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(digest, padding.PKCS1v15(), Prehashed(algorithm))
        return self._key.sign(digest, ec.ECDSA(Prehashed(algorithm)))


def open_key(path: Path, passphrase: bytes) -> SoftwareKey:
    """Open an encrypted PKCS#8 PEM file; raises KeyUnavailable.

    The primes of an RSA key are validated, which takes a quarter of a second for 4096 bits: open a key once
    in a process and keep it.
    """
    try:
        pem = path.read_bytes()
    except OSError as fault:
        raise KeyUnavailable(f"The key file {path} cannot be read ({fault.strerror}).") from None
    if b"BEGIN ENCRYPTED PRIVATE KEY" not in pem:
        raise KeyUnavailable(f"The key file {path} is not an encrypted PKCS#8 PEM file; encrypt it first.")
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is left out: an exception's text about key material belongs in no log.
        raise KeyUnavailable(f"The passphrase does not open the key file {path}.") from None
    if not isinstance(key, PrivateKey):
        raise KeyUnavailable(f"The key file {path} holds neither an RSA nor an EC key.")
    return SoftwareKey(key)


def encrypted_pem(key: PrivateKey, passphrase: bytes) -> bytes:
    """Encode `key` as PKCS#8 PEM encrypted with `passphrase`."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )


def family_of_key(key: PublicKey) -> KeyFamily:
    """Return the family of a public key object."""
    return KeyFamily.RSA if isinstance(key, rsa.RSAPublicKey) else KeyFamily.EC


def verify_signature(key: PublicKey, signature: bytes, *parts: bytes) -> None:
    """Raise `cryptography`'s InvalidSignature unless `SigningKey.sign` made `signature` over the `parts`."""
    algorithm, digest = _digest(family_of_key(key), parts)
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))
    else:
        key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))


def _digest(family: KeyFamily, parts: tuple[bytes, ...]) -> tuple[hashes.HashAlgorithm, bytes]:
    algorithm = hashes.SHA512() if family is KeyFamily.RSA else hashes.SHA384()
    digest = hashes.Hash(algorithm)
    for part in parts:
        digest.update(part)
    return algorithm, digest.finalize()

"""CA keys in encrypted PKCS#8 PEM files: for development, and for roots that are kept offline."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from .authority import Authority
from .encrypted_key import ROUNDS, rounds_of
from .keys import KeyRefused, KeyUnavailable, PrivateKey, PublicKey, SigningKey, digest_of
from .manifest import PemPlace
from .secret_files import check_mode
from .spki import KeyFamily


@dataclass(frozen=True, repr=False)
class SoftwareKey(SigningKey):
    """A signing key in this process's memory; its representation shows no key material."""

    _key: PrivateKey

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        """See `SigningKey.sign`."""
        algorithm, digest = digest_of(self.family, parts)
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(digest, padding.PKCS1v15(), Prehashed(algorithm))
        return self._key.sign(digest, ec.ECDSA(Prehashed(algorithm)))


def open_key(path: Path, passphrase: bytes) -> SoftwareKey:
    """Return the key in an encrypted PKCS#8 PEM file; raises KeyUnavailable.

    The primes of an RSA key are validated, which takes 0.25 s for 4096 bits: open a key once in a process.
    """
    return SoftwareKey(read_private_key(path, passphrase))


def read_private_key(path: Path, passphrase: bytes) -> PrivateKey:
    """Return the private key itself, which only a ceremony needs; see `open_key`."""
    check_mode(path, "key file")
    try:
        pem = path.read_bytes()
    except OSError as fault:
        raise KeyUnavailable(f"The key file {path} cannot be read ({fault.strerror}).") from None
    if b"BEGIN ENCRYPTED PRIVATE KEY" not in pem:
        raise KeyUnavailable(f"The key file {path} is not an encrypted PKCS#8 PEM file; encrypt it first.")
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is omitted: an exception's text about key material must not reach a log.
        raise KeyRefused(f"The passphrase does not open the key file {path}.") from None
    if not isinstance(key, PrivateKey):
        raise KeyUnavailable(f"The key file {path} holds neither an RSA nor an EC key.")
    return key


def generate(family: KeyFamily) -> PrivateKey:
    """Return a new CA key: RSA 4096 or EC P-384."""
    if family is KeyFamily.RSA:
        return rsa.generate_private_key(65537, 4096)
    return ec.generate_private_key(ec.SECP384R1())


def weak_files(authority: Authority) -> Iterator[tuple[Path, int]]:
    """Yield the key files of a production CA that an earlier version encrypted, with the rounds of each."""
    for place in authority.places.values() if authority.holds_production_keys else ():
        if isinstance(place, PemPlace) and (file := authority.directory / place.file).exists():
            rounds = rounds_of(file.read_bytes())
            if rounds is not None and rounds < ROUNDS:
                yield file, rounds

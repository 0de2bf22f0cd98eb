"""CA keys in encrypted PKCS#8 PEM files: for development, and for roots that are kept offline.

They are encrypted under a passphrase (RFC 8018, PBES2): PBKDF2 with HMAC-SHA-256, and AES-256 in CBC mode.
`cryptography` reads any number of rounds, but always writes 2,048. A trial's keys protect nobody and their processes
start often: they stay at that.

Nobody but the owner may read a file of secrets; `servicecert_worker.core.secret_files` has the same rule for settings.
A group may in two cases: it is the user's private one (it has the user's number, as in our containers), or root gives
the file to a group of the process (as Kubernetes and packages do).
"""

import base64
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from . import der
from .authority import Authority
from .keys import KeyFileMissing, KeyRefused, PrivateKey, PublicKey, SigningKey, digest_of
from .manifest import PemPlace
from .spki import KeyFamily

ROUNDS = 600_000
"""What must be computed for each passphrase that is tried: some 0.3 s for each key at each start."""

WEAK = "The passphrase of the {} keys is too weak: take 16 characters or more, 8 of them different."

_PBES2 = der.oid("1.2.840.113549.1.5.13")
_PBKDF2 = der.oid("1.2.840.113549.1.5.12")
_HMAC_SHA256 = der.oid("1.2.840.113549.2.9")
_AES_256_CBC = der.oid("2.16.840.1.101.3.4.1.42")
_BEGIN, _END = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----"
_SHORTEST, _FEWEST = 16, 8


@dataclass(frozen=True, repr=False)
class SoftwareKey(SigningKey):
    """A signing key in this process's memory; its representation shows no key material."""

    _key: PrivateKey

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
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
        raise KeyFileMissing(f"The key file {path} cannot be read ({fault.strerror}).") from None
    if _BEGIN not in pem:
        raise KeyRefused(f"The key file {path} is not an encrypted PKCS#8 PEM file; encrypt it first.")
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is omitted: an exception's text about key material must not reach a log.
        raise KeyRefused(f"The passphrase does not open the key file {path}.") from None
    if not isinstance(key, PrivateKey):
        raise KeyRefused(f"The key file {path} holds neither an RSA nor an EC key.")
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


def check_mode(path: Path, kind: str) -> None:
    """Raise KeyRefused if others can read the file or change it. A file that cannot be read is its reader's error.

    `kind` names the file in the sentence, such as "key file".
    """
    try:
        status = path.stat()
    except OSError:
        return
    if is_open_to_others(status, os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise KeyRefused(
            f"Others can read the {kind} {path}: run `chmod 600 {path}`, and replace what they may have read."
        )


def is_open_to_others(status: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Return whether the mode lets anybody in but this user and a group that is the user's own, or given by root."""
    if status.st_mode & 0o007:
        return True
    by_root = status.st_uid == 0 != user and not status.st_mode & 0o020
    return bool(status.st_mode & 0o070) and not (status.st_gid in groups and (status.st_gid == user != 0 or by_root))


def encrypted_pem(key: PrivateKey, passphrase: bytes, *, trial: bool = False) -> bytes:
    encoding, form = serialization.Encoding, serialization.PrivateFormat.PKCS8
    if trial:
        return key.private_bytes(encoding.PEM, form, serialization.BestAvailableEncryption(passphrase))
    plain = key.private_bytes(encoding.DER, form, serialization.NoEncryption())
    salt, vector = os.urandom(16), os.urandom(16)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(pbkdf2_hmac("sha256", passphrase, salt, ROUNDS, 32)), modes.CBC(vector))
    encryptor = cipher.encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    derivation = der.sequence(der.octet_string(salt), der.integer(ROUNDS), der.sequence(_HMAC_SHA256, der.tlv(0x05)))
    scheme = der.sequence(der.sequence(_PBKDF2, derivation), der.sequence(_AES_256_CBC, der.octet_string(vector)))
    text = base64.b64encode(der.sequence(der.sequence(_PBES2, scheme), der.octet_string(sealed)))
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join((_BEGIN, *lines, _END, b""))


def rounds_of(pem: bytes) -> int | None:
    """Return the rounds of PBKDF2 in an encrypted PKCS#8 file; None if it is of another kind, such as scrypt."""
    try:
        encoded = base64.b64decode(pem.partition(_BEGIN)[2].partition(_END)[0])
        outer, _ = der.members(encoded, der.read(encoded))
        _, scheme = der.members(encoded, outer)
        derivation, _ = der.members(encoded, scheme)
        kind, parameters = der.members(encoded, derivation)
        _, rounds, *_ = der.members(encoded, parameters)
    except ValueError:
        return None
    return int.from_bytes(encoded[rounds.content : rounds.end]) if encoded[kind.start : kind.end] == _PBKDF2 else None


def is_weak(passphrase: bytes) -> bool:
    """Return whether a passphrase is too short or too monotonous to protect a production key's file."""
    return len(passphrase) < _SHORTEST or len(set(passphrase)) < _FEWEST

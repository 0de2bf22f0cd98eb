"""PKCS#8 files encrypted under a passphrase (RFC 8018, PBES2): PBKDF2 with HMAC-SHA-256, and AES-256 in CBC mode.

`cryptography` reads any number of rounds, but always writes 2,048. A trial's keys protect nobody and their processes
start often: they stay at that.
"""

import base64
import os
from hashlib import pbkdf2_hmac

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from . import der
from .keys import PrivateKey

ROUNDS = 600_000
"""What must be computed for each passphrase that is tried: some 0.3 s for each key at each start."""

WEAK = "The passphrase of the {} keys is too weak: take 16 characters or more, 8 of them different."

_PBES2 = der.oid("1.2.840.113549.1.5.13")
_PBKDF2 = der.oid("1.2.840.113549.1.5.12")
_HMAC_SHA256 = der.oid("1.2.840.113549.2.9")
_AES_256_CBC = der.oid("2.16.840.1.101.3.4.1.42")
_BEGIN, _END = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----"
_SHORTEST, _FEWEST = 16, 8


def encrypted_pem(key: PrivateKey, passphrase: bytes, *, trial: bool = False) -> bytes:
    """Return `key` as PKCS#8 PEM encrypted with `passphrase`."""
    encoding, form = serialization.Encoding, serialization.PrivateFormat.PKCS8
    if trial:
        return key.private_bytes(encoding.PEM, form, serialization.BestAvailableEncryption(passphrase))
    plain = key.private_bytes(encoding.DER, form, serialization.NoEncryption())
    salt, vector = os.urandom(16), os.urandom(16)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(pbkdf2_hmac("sha256", passphrase, salt, ROUNDS, 32)), modes.CBC(vector))
    encryptor = cipher.encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    derivation = der.sequence(_octets(salt), der.integer(ROUNDS), der.sequence(_HMAC_SHA256, der.tlv(0x05)))
    scheme = der.sequence(der.sequence(_PBKDF2, derivation), der.sequence(_AES_256_CBC, _octets(vector)))
    text = base64.b64encode(der.sequence(der.sequence(_PBES2, scheme), _octets(sealed)))
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


def _octets(content: bytes) -> bytes:
    return der.tlv(der.OCTET_STRING, content)

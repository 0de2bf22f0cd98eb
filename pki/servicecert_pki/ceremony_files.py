"""The files that a ceremony reads (requests, certificates, roots), and the lock that allows one run per folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from .authority import AuthorityMissing, AuthorityRefused
from .ca_certificate import issuing_name
from .keys import PrivateKey, PublicKey
from .manifest import kind_of
from .profile import Environment
from .software_key import read_private_key
from .spki import KeyFamily


def kind_of_file(path: Path) -> tuple[Environment, KeyFamily]:
    """Return an issuing CA's environment and key family from its file name; raises AuthorityRefused."""
    try:
        return kind_of(path.stem)[:2]
    except ValueError as fault:
        raise AuthorityRefused(f"{path} is not named after an issuing CA: {fault}.") from None


def read_request(path: Path) -> x509.CertificateSigningRequest:
    """Return a request; raises AuthorityRefused unless its signature verifies and key and subject fit the file name."""
    environment, family = kind_of_file(path)
    try:
        request = x509.load_pem_x509_csr(path.read_bytes())
        sound = request.is_signature_valid
    except (OSError, ValueError):
        raise AuthorityRefused(f"{path} is not a readable PKCS#10 request in PEM.") from None
    key = request.public_key()
    of_kind = isinstance(key, PublicKey) and key.key_size == (4096 if family is KeyFamily.RSA else 384)
    if not sound or not of_kind or request.subject != issuing_name(path.stem):
        raise AuthorityRefused(f"{path} is not a request of {path.stem}, an {environment} CA with an {family} key.")
    return request


def read_certificate(path: Path) -> x509.Certificate:
    """Return a certificate from a PEM file; raises AuthorityRefused."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise AuthorityRefused(f"{path} is not a readable certificate in PEM.") from None


def open_root(offline: Path, id: str, passphrase: bytes) -> tuple[x509.Certificate, PrivateKey]:
    """Return a root's certificate and its matching key; raises AuthorityRefused or a subclass, or KeyUnavailable."""
    file = offline / "roots" / f"{id}.pem"
    if not file.exists():
        raise AuthorityMissing(f"There is no root {id} in {offline}: make it with `servicecert ca root init`.")
    root = read_certificate(file)
    key = read_private_key(offline / "keys" / file.name, passphrase)
    if key.public_key() != root.public_key():
        raise AuthorityRefused(f"The key of {id} in {offline} belongs to another root.")
    return root, key


def second(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(microsecond=0)


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, so that concurrent runs cannot mix their files; OSError becomes AuthorityRefused."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as fault:
        raise AuthorityRefused(f"No CA can be written to {directory} ({fault.strerror}).") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    except OSError as fault:
        raise AuthorityRefused(f"No CA can be written to {directory} ({fault.strerror}).") from None
    finally:
        os.close(descriptor)

"""The files that a ceremony reads (requests, certificates, roots), its protocol, and the lock for one run per folder.

The protocol says who did what, when and where, with fingerprints to be compared aloud.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from .authority import AuthorityMissing, AuthorityRefused
from .ca_certificate import issuing_name
from .identity import FILE, identity_in
from .keys import PrivateKey, PublicKey
from .manifest import KeyPlace, PemPlace, kind_of, write_whole
from .profile import Environment
from .serials import serial_hex
from .software_key import read_private_key
from .spki import KeyFamily, spki_of


def kind_of_file(path: Path) -> tuple[Environment, KeyFamily]:
    """Return an issuing CA's environment and key family from its file name; raises AuthorityRefused."""
    try:
        return kind_of(path.stem)[:2]
    except ValueError as fault:
        raise AuthorityRefused(f"{path} is not named after an issuing CA: {fault}.") from None


def read_request(path: Path, folder: Path) -> x509.CertificateSigningRequest:
    """Return a request; raises AuthorityRefused unless its signature verifies, and key and subject fit the file's name.

    The subject is one of the authority of `folder`.
    """
    environment, family = kind_of_file(path)
    try:
        request = x509.load_pem_x509_csr(path.read_bytes())
        sound = request.is_signature_valid
    except (OSError, ValueError):
        raise AuthorityRefused(f"{path} is not a readable PKCS#10 request in PEM.") from None
    key = request.public_key()
    of_kind = isinstance(key, PublicKey) and key.key_size == (4096 if family is KeyFamily.RSA else 384)
    whose = identity_in(folder)
    if not sound or not of_kind or request.subject != issuing_name(whose, path.stem):
        raise AuthorityRefused(
            f"{path} is not a request of {path.stem}, an {environment} CA with an {family} key, as {folder / FILE} "
            "names it."
        )
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


def write_identity(directory: Path, text: str) -> None:
    """Write the file that says whose CAs are in a folder, unless it has one. Raises AuthorityRefused."""
    with alone_in(directory):
        if not (file := directory / FILE).exists():
            write_whole(file, text.encode())


@dataclass(frozen=True)
class Action:
    """One action of a ceremony: what was done, to which CA, and named details."""

    what: str
    id: str
    facts: tuple[tuple[str, str], ...]

    @classmethod
    def certified(cls, what: str, id: str, certificate: x509.Certificate, *more: tuple[str, str]) -> "Action":
        der = certificate.public_bytes(Encoding.DER)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return cls(
            what,
            id,
            (
                ("subject", certificate.subject.rfc4514_string()),
                ("issuer", certificate.issuer.rfc4514_string()),
                ("serial", serial_hex(certificate.serial_number)),
                ("valid", f"{not_before:%Y-%m-%dT%H:%M:%SZ} to {not_after:%Y-%m-%dT%H:%M:%SZ}"),
                ("key", _key_text(certificate)),
                *more,
                ("certificate SHA-256", _pairs(der)),
                ("public key SHA-256", _pairs(spki_of(certificate.public_key()))),
            ),
        )

    @classmethod
    def requested(cls, id: str, place: str, request: x509.CertificateSigningRequest) -> "Action":
        return cls(
            "request",
            id,
            (
                ("subject", request.subject.rfc4514_string()),
                ("key", _key_text(request)),
                ("key is in", place),
                ("request SHA-256", _pairs(request.public_bytes(Encoding.DER))),
                ("public key SHA-256", _pairs(spki_of(request.public_key()))),
            ),
        )

    @classmethod
    def listed(cls, id: str, number: int, crl: x509.CertificateRevocationList) -> "Action":
        return cls(
            "root CRL",
            id,
            (
                ("number", str(number)),
                ("this update", f"{crl.last_update_utc:%Y-%m-%dT%H:%M:%SZ}"),
                ("next update", f"{crl.next_update_utc:%Y-%m-%dT%H:%M:%SZ}"),
                ("revoked", ", ".join(serial_hex(entry.serial_number) for entry in crl) or "none"),
                ("CRL SHA-256", _pairs(crl.public_bytes(Encoding.DER))),
            ),
        )


def protocol(step: str, operator: str, host: str, when: datetime, actions: Sequence[Action]) -> str:
    """Return the protocol of one step, with a line for signatures at its end."""
    lines = [
        f"Protocol of: {step}",
        f"When:        {when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"Host:        {host}",
        f"Operator:    {operator}",
    ]
    for action in actions:
        lines += ["", f"{action.what}: {action.id}", *(f"  {name + ':':<21}{value}" for name, value in action.facts)]
    return "\n".join([*lines, "", "Signed: ______________________   Witness: ______________________", ""])


def store_protocol(directory: Path, step: str, when: datetime, text: str) -> Path:
    """Store the protocol in `protocols/`, named by time and step, without overwriting another. Return its path."""
    (directory / "protocols").mkdir(exist_ok=True)
    stem, number = f"{when.astimezone(UTC):%Y-%m-%dT%H%M%SZ}-{step.replace(' ', '-')}", 1
    while (path := directory / "protocols" / f"{stem}{f'-{number}' if number > 1 else ''}.txt").exists():
        number += 1
    write_whole(path, text.encode())
    return path


def place_text(place: KeyPlace) -> str:
    if isinstance(place, PemPlace):
        return f"the encrypted file {place.file}"
    return f"the token {place.token}, as {place.label}"


def _key_text(holder: x509.Certificate | x509.CertificateSigningRequest) -> str:
    key = holder.public_key()
    return f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "EC P-384"


def _pairs(content: bytes) -> str:
    return sha256(content).digest().hex(":").upper()

"""The protocol of a ceremony: who did what, when and where, with fingerprints to be compared aloud."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from .manifest import KeyPlace, PemPlace, write_whole
from .serials import serial_hex
from .spki import spki_of


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

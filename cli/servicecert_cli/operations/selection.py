"""Selects the certificates of an incident by conditions that operators set."""

import os
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from servicecert_pki.serials import serial_hex
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.characters import cleaned
from servicecert_schemas.serials import serial_readings

from ..faults import UserError, unknown
from .files import content_of

MOST_BYTES = 64 * 1024 * 1024

_SELECT = """
    select key, serial from operators_certificates
    where standing = 'valid' and not_after > now()
      and ($1::text[] is null or serial = any($1)) and ($2::text is null or key_sha256 = $2)
      and ($3::text is null or issuer = $3) and ($4::text is null or type = $4)
      and ($5::text is null or profile = $5) and ($6::int is null or profile_version = $6)
      and ($7::timestamptz is null or issued_at >= $7) and ($8::timestamptz is null or issued_at < $8)
      and ($9::text is null or account_id = $9)
    order by issued_at, key
"""

# One scan for all names; of what is too much to list, whether it is there.
_KNOWN = """
    select array_agg(distinct issuer) as "CA", array_agg(distinct profile) as profile,
           array_agg(distinct profile_version) as "profile version",
           bool_or(account_id = $1) as account, bool_or(key_sha256 = $2) as key,
           array_agg(serial) filter (where serial = any($3::text[])) as "serial number"
    from operators_certificates
"""

Serials: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions that a certificate must meet, in the order of the query's arguments; None is not set.

    `issued_until` is exclusive.
    """

    serials: Serials | None = None
    key_sha256: str | None = None
    issuer: str | None = None
    type: str | None = None
    profile: str | None = None
    profile_version: int | None = None
    issued_from: datetime | None = None
    issued_until: datetime | None = None
    account: str | None = None

    def conditions(self) -> dict[str, Any]:
        """Return the conditions that are set, for a plan; of serial numbers their count."""
        conditions = {name: value for name, value in asdict(self).items() if value is not None}
        if self.serials is not None:
            conditions["serials"] = len(self.serials)
        return conditions


async def selected(connection: asyncpg.Connection, selection: Selection) -> list[tuple[str, str]]:
    """Return case and serial number of the selected valid certificates, oldest first."""
    rows = await connection.fetch(_SELECT, *astuple(selection))
    return [(row["key"], row["serial"]) for row in rows]


async def require_known(connection: asyncpg.Connection, selection: Selection, lines: Mapping[str, Serials]) -> None:
    """Raise UserError for a name that no certificate has, valid or not, or a line whose serial number none has."""
    known = await connection.fetchrow(_KNOWN, selection.account, selection.key_sha256, selection.serials)
    assert known is not None
    if strange := [line for line, serials in lines.items() if set(known["serial number"] or ()).isdisjoint(serials)]:
        raise unknown("certificate with the serial number", strange, see="`servicecert audit show SERIAL`")
    names = {"CA": selection.issuer, "profile": selection.profile, "profile version": selection.profile_version}
    for what, name in names.items():
        if name is not None and name not in (there := [each for each in known[what] or () if each is not None]):
            raise unknown(f"certificate of the {what}", [name], there)
    for what, name in {"account": selection.account, "key": selection.key_sha256}.items():
        if name is not None and not known[what]:
            raise unknown(f"certificate of the {what}", [name], see="`servicecert audit show` of one of its cases")


def read_serials(path: Path) -> Mapping[str, Serials]:
    """Return serial numbers by line, in any notation (D1); an ambiguous line has both. Raises UserError."""
    lines: dict[str, Serials] = {}
    content = content_of(path, "name another file", MOST_BYTES)
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        serials = serial_readings(cleaned(line))
        if not serials:
            raise UserError(
                f"{path}, line {number}: not a serial number; write it in hexadecimal or decimal.", os.EX_DATAERR
            )
        lines[line.strip()] = tuple(sorted(serial_hex(serial).lower() for serial in serials))
    return lines


def key_of_file(path: Path) -> str:
    """Return the SHA-256 of the public key in a certificate, request or key file, PEM or DER. Raises UserError."""
    content = content_of(path, "name another file", MOST_BYTES)
    for read in _READERS:
        try:
            key = read(content)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        return spki_sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    raise UserError(
        f"{path} holds no readable key: give a certificate, a request, a public key, or a private key without"
        " passphrase, in PEM or DER.",
        os.EX_DATAERR,
    )


_READERS: tuple[Any, ...] = (
    lambda content: x509.load_pem_x509_certificate(content).public_key(),
    lambda content: x509.load_der_x509_certificate(content).public_key(),
    lambda content: x509.load_pem_x509_csr(content).public_key(),
    lambda content: x509.load_der_x509_csr(content).public_key(),
    load_pem_public_key,
    load_der_public_key,
    lambda content: load_pem_private_key(content, None).public_key(),
    lambda content: load_der_private_key(content, None).public_key(),
)

"""Certificate revocation lists (RFC 5280, 5): entries, made and checked once, what stands around them, and the file that holds both.

CrlUnsound          an entry is not what was meant (D7)

A list is written into its file while its entries come, so that a million of them take no more memory than some. The entries' size is known before the
first of them, so every header but the outermost is. That one waits for the signature's size: a gap is left for it, and in the rare case that it fits
badly the rest of the file is moved.
"""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Self, cast

from cryptography import x509

from . import der
from .extensions import extension, issuing_distribution_point
from .issuer import IssuerInfo
from .keys import SIGNATURE_ALGORITHM, SigningKey
from .spki import KeyFamily

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CrlUnsound(Exception):
    """An entry must not be stored; the message is one sentence."""


class Reason(IntEnum):
    """The revocation reasons of this service (D2) with their codes of RFC 5280, 5.3.1.

    certificateHold and removeFromCRL do not exist here: revocation is final.
    """

    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    CESSATION_OF_OPERATION = 5
    PRIVILEGE_WITHDRAWN = 9


@dataclass(frozen=True)
class RevokedCertificate:
    """One entry of a list; times are aware and count in whole seconds."""

    serial: int
    revoked_at: datetime
    reason: Reason
    invalidity_date: datetime | None = None


def entry_der(serial: int, revoked_at: datetime, reason: Reason, invalidity_date: datetime | None = None) -> bytes:
    """Encode one entry of ``revokedCertificates``; made at revocation, stored, and later only joined."""
    extensions = [extension("2.5.29.21", der.tlv(0x0A, bytes((reason,))))]
    if invalidity_date is not None:
        extensions.append(extension("2.5.29.24", der.generalized_time(invalidity_date)))
    return der.sequence(der.integer(serial), der.time(revoked_at), der.sequence(*extensions))


def check_entry(encoded: bytes, expected: RevokedCertificate) -> None:
    """Raise CrlUnsound unless another library reads exactly this entry of the bytes (D7).

    It reads whole lists only, so the entry is put into one that nobody signed.
    """
    algorithm, nobody = SIGNATURE_ALGORITHM[KeyFamily.EC], der.sequence()
    tbs = der.sequence(der.integer(1), algorithm, nobody, der.time(_EPOCH), der.sequence(encoded))
    try:
        (found,) = x509.load_der_x509_crl(der.sequence(tbs, algorithm, der.bit_string(b"")))
        same = _in_seconds(_revoked(found)) == _in_seconds(expected)
    except (ValueError, x509.ExtensionNotFound):
        same = False
    if not same:
        raise CrlUnsound("The entry of a revoked certificate cannot be read back.")


@dataclass(frozen=True)
class CrlHead:
    """All that a list says beside its entries. `url` is where the certificates of a partition say that it is; the full list has none.

    Times are aware and count in whole seconds. Raises ValueError for a next update that is not later than this one.
    """

    issuer: IssuerInfo
    number: int
    this_update: datetime
    next_update: datetime
    url: str | None = None

    def __post_init__(self) -> None:
        if not self.this_update < self.next_update:
            raise ValueError("The next update of a CRL is later than this one.")

    @property
    def algorithm(self) -> bytes:
        """The DER AlgorithmIdentifier of its signature."""
        return SIGNATURE_ALGORITHM[self.issuer.family]

    def around(self, size: int) -> tuple[bytes, bytes]:
        """Return what of the to-be-signed list comes before and after `size` octets of entries (RFC 5280, 5.1)."""
        head = b"".join(
            (
                der.integer(1),
                self.algorithm,
                self.issuer.subject_der,
                der.time(self.this_update),
                der.time(self.next_update),
            )
        )
        # An empty list is not written at all (RFC 5280, 5.1.2.6).
        body_header = der.header(der.SEQUENCE, size) if size else b""
        tail = der.tlv(0xA0, der.sequence(*self._extensions()))
        whole = len(head) + len(body_header) + size + len(tail)
        return der.header(der.SEQUENCE, whole) + head + body_header, tail

    def _extensions(self) -> Iterator[bytes]:
        yield extension("2.5.29.35", self.issuer.authority_key_identifier)
        if self.url is not None:
            yield extension("2.5.29.28", issuing_distribution_point(self.url), critical=True)
        yield extension("2.5.29.20", der.integer(self.number))


class CrlFile:
    """A list that is written to `path`: `add` each part of `size` octets of entries, then leave the context, then `sign`.

    All raise OSError, e.g. where the disk is full.
    """

    def __init__(self, path: Path, head: CrlHead, size: int) -> None:
        self.path = path
        self._head = head
        self._before, self._after = head.around(size)
        self._left = size
        self._tbs_size = len(self._before) + size + len(self._after)
        self._gap = len(self._outer(bytes(head.issuer.public_key.key_size // 8)))
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        self._file.write(bytes(self._gap) + self._before)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entries: bytes) -> None:
        """Write some encoded entries. Raises ValueError for more than were announced."""
        self._left -= len(entries)
        if self._left < 0:
            raise ValueError("more entries came than were announced")
        self._file.write(entries)

    def sign(self, key: SigningKey) -> None:
        """Sign what was written and put it onto the disk. Raises ValueError where entries are missing; KeyUnavailable."""
        if self._left:
            raise ValueError("fewer entries came than were announced")
        with self.path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(self._after)
            file.flush()
            signature = self._signed(file, key)
            outer = self._outer(signature)
            if len(outer) != self._gap:
                _move(file, self._gap, len(outer))
            file.seek(0, os.SEEK_END)
            file.write(self._head.algorithm + der.bit_string(signature))
            file.seek(0)
            file.write(outer)
            file.flush()
            os.fsync(file.fileno())

    def _outer(self, signature: bytes) -> bytes:
        size = self._tbs_size + len(self._head.algorithm) + len(der.bit_string(signature))
        return der.header(der.SEQUENCE, size)

    def _signed(self, file: BinaryIO, key: SigningKey) -> bytes:
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[self._gap :] as tbs,
        ):
            # Hashing takes any buffer, and what is signed is never copied.
            return key.sign(cast(bytes, tbs))


def _move(file: BinaryIO, old: int, new: int) -> None:
    """Move all that stands after a gap to where it stands after another."""
    file.seek(old)
    content = file.read()
    file.seek(new)
    file.write(content)
    file.truncate()


def _revoked(entry: x509.RevokedCertificate) -> RevokedCertificate:
    """Read one entry; an unknown reason or an entry without one raises ValueError or ExtensionNotFound."""
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    invalid = [it.value for it in entry.extensions if isinstance(it.value, x509.InvalidityDate)]
    return RevokedCertificate(
        entry.serial_number,
        entry.revocation_date_utc,
        Reason(int.from_bytes(reason.public_bytes()[2:])),
        invalid[0].invalidity_date_utc if invalid else None,
    )


def _in_seconds(revoked: RevokedCertificate) -> tuple[int, int, int, int]:
    """Return an entry as its encoding holds it, without fractions of a second."""
    invalid = revoked.invalidity_date
    return (
        revoked.serial,
        int(revoked.revoked_at.timestamp()),
        revoked.reason,
        -1 if invalid is None else int(invalid.timestamp()),
    )

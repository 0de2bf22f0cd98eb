"""Certificate revocation lists (RFC 5280, 5): entries, encoded and checked once, the fields around them, and the file.

CrlUnsound          an encoded entry differs from the revocation, or a signed list from the checked one (D7)

A list is written to its file entry by entry, so a million of them need no more memory than a few. The total size of
the entries is known at the start, and with it every header but the outermost. That one depends on the signature's
size: a gap is left for it, and the rest of the file is moved in the rare case that the gap does not fit.
"""

import mmap
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Generic, Self, TypeVar, cast

from cryptography import x509

from . import der
from .extensions import extension, issuing_distribution_point
from .issuer import IssuerInfo
from .keys import SIGNATURE_ALGORITHM, SigningKey
from .spki import KeyFamily

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CrlUnsound(Exception):
    """An entry must not be stored, or a list not published; the message is one sentence."""


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
    """One entry of a list; times are aware, in whole seconds."""

    serial: int
    revoked_at: datetime
    reason: Reason
    invalidity_date: datetime | None = None


def entry_der(serial: int, revoked_at: datetime, reason: Reason, invalidity_date: datetime | None = None) -> bytes:
    """Return one DER entry of ``revokedCertificates``; it is made at revocation, stored, and later only copied."""
    extensions = [extension("2.5.29.21", der.tlv(0x0A, bytes((reason,))))]
    if invalidity_date is not None:
        extensions.append(extension("2.5.29.24", der.generalized_time(invalidity_date)))
    return der.sequence(der.integer(serial), der.time(revoked_at), der.sequence(*extensions))


_DIGITS = rb"[0-9]"
_REASON = rb"0\x0a\x06\x03U\x1d\x15\x04\x03\x0a\x01[%b]" % bytes(Reason)
_INVALID = rb"0\x18\x06\x03U\x1d\x18\x04\x11\x18\x0f%b{14}Z" % _DIGITS
_SERIAL = b"|".join(re.escape(bytes((size,))) + b".{%d}" % size for size in range(1, 21))
_ENTRIES = re.compile(
    rb"(?:0.\x02(?:%b)(?:\x17\x0d%b{12}Z|\x18\x0f%b{14}Z)(?:0\x0c%b|0\x26%b%b))*+"
    % (_SERIAL, _DIGITS, _DIGITS, _REASON, _REASON, _INVALID),
    re.DOTALL,
)


def are_entries(encoded: memoryview) -> bool:
    """Return whether these are entries as `entry_der` makes them, and nothing else: a million take less than a second.

    Another library has read them as DER, so that their lengths are right.
    """
    return _ENTRIES.fullmatch(encoded) is not None


def check_entry(encoded: bytes, expected: RevokedCertificate) -> None:
    """Raise CrlUnsound unless another library decodes the bytes to exactly this entry (D7).

    That library decodes whole lists only, so the entry is put into an unsigned one.
    """
    algorithm, issuer = SIGNATURE_ALGORITHM[KeyFamily.EC], der.sequence()
    tbs = der.sequence(der.integer(1), algorithm, issuer, der.time(_EPOCH), der.sequence(encoded))
    try:
        (entry,) = x509.load_der_x509_crl(der.sequence(tbs, algorithm, der.bit_string(b"")))
        same = _in_seconds(revoked_certificate(entry)) == _in_seconds(expected)
    except (ValueError, x509.ExtensionNotFound):
        same = False
    if not same:
        raise CrlUnsound("The CRL entry of a revoked certificate cannot be decoded again.")


@dataclass(frozen=True)
class CrlHead:
    """The fields of a list without its entries. `url` is a partition's CRL distribution point, None for the full list.

    Times are aware, in whole seconds. Raises ValueError unless `next_update` is after `this_update`.
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
        return SIGNATURE_ALGORITHM[self.issuer.family]

    def around(self, size: int) -> tuple[bytes, bytes]:
        """Return the parts of the TBSCertList before and after `size` octets of entries (RFC 5280, 5.1)."""
        head = b"".join(
            (
                der.integer(1),
                self.algorithm,
                self.issuer.subject_der,
                der.time(self.this_update),
                der.time(self.next_update),
            )
        )
        # Without entries, revokedCertificates is absent (RFC 5280, 5.1.2.6).
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
    """A list that is written to `path`: `add` all `size` octets of entries, leave the context, then `read_back`.

    `sign` is called by `ca_signing` only. All raise OSError, for instance when the disk is full.
    """

    def __init__(self, path: Path, head: CrlHead, size: int) -> None:
        self.path = path
        self.head = head
        self._before, self._after = head.around(size)
        self._left = size
        self._tbs_size = len(self._before) + size + len(self._after)
        self._gap = len(self._outer(self._unsigned))
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        self._file.write(bytes(self._gap) + self._before)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entries: bytes) -> None:
        """Write encoded entries. Raises ValueError beyond the announced size."""
        self._left -= len(entries)
        if self._left < 0:
            raise ValueError("the entries are larger than the announced size")
        self._file.write(entries)

    def read_back(self, check: Callable[[bytes], T]) -> "ReadBack[T]":
        """Have `check` read the whole list, DER with an empty signature, and return what may be signed (F3).

        `check` raises for any list that is not the expected one. Raises ValueError if entries are missing.
        """
        if self._left:
            raise ValueError("the entries are smaller than the announced size")
        with self.path.open("r+b") as file:
            self._complete(file, self._after, self._unsigned)
        content = self.path.read_bytes()
        with memoryview(content) as whole, whole[self._gap : self._gap + self._tbs_size] as tbs:
            digest = sha256(tbs).digest()
        passed = check(content)
        os.truncate(self.path, self._gap + self._tbs_size)
        return ReadBack(self, digest, passed)

    def sign(self, key: SigningKey) -> None:
        """Sign the list and flush it to disk. Raises KeyUnavailable."""
        with self.path.open("r+b") as file:
            signature = self._signed(file, key)
            outer = self._outer(signature)
            if len(outer) != self._gap:
                _move(file, self._gap, len(outer))
            self._complete(file, b"", signature)
            file.flush()
            os.fsync(file.fileno())

    def _complete(self, file: BinaryIO, after: bytes, signature: bytes) -> None:
        """Write what follows the entries and the signature's field, and the outermost header before them."""
        file.seek(0, os.SEEK_END)
        file.write(after + self.head.algorithm + der.bit_string(signature))
        file.seek(0)
        file.write(self._outer(signature))

    @property
    def _unsigned(self) -> bytes:
        """An empty signature of the size for which the gap is left."""
        return bytes(self.head.issuer.public_key.key_size // 8)

    def _outer(self, signature: bytes) -> bytes:
        size = self._tbs_size + len(self.head.algorithm) + len(der.bit_string(signature))
        return der.header(der.SEQUENCE, size)

    def _signed(self, file: BinaryIO, key: SigningKey) -> bytes:
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[self._gap :] as tbs,
        ):
            # Hashing takes any buffer, so the list is not copied.
            return key.sign(cast(bytes, tbs))


@dataclass(frozen=True, slots=True)
class ReadBack(Generic[T]):
    """A complete list that passed its check: the SHA-256 of its bytes to be signed, and what the check returned."""

    file: CrlFile
    tbs_sha256: bytes
    passed: T


def _move(file: BinaryIO, old: int, new: int) -> None:
    """Move the content after a gap of `old` octets so that it follows one of `new`."""
    file.seek(old)
    content = file.read()
    file.seek(new)
    file.write(content)
    file.truncate()


def revoked_certificate(entry: x509.RevokedCertificate) -> RevokedCertificate:
    """Return one decoded entry. Raises ValueError for an unknown reason, ExtensionNotFound for none."""
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    invalid = [it.value for it in entry.extensions if isinstance(it.value, x509.InvalidityDate)]
    return RevokedCertificate(
        entry.serial_number,
        entry.revocation_date_utc,
        Reason(int.from_bytes(reason.public_bytes()[2:])),
        invalid[0].invalidity_date_utc if invalid else None,
    )


def _in_seconds(revoked: RevokedCertificate) -> tuple[int, int, int, int]:
    """Return an entry's values with times in whole seconds, as they are encoded."""
    invalid = revoked.invalidity_date
    return (
        revoked.serial,
        int(revoked.revoked_at.timestamp()),
        revoked.reason,
        -1 if invalid is None else int(invalid.timestamp()),
    )

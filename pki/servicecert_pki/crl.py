"""Certificate revocation lists (RFC 5280, 5): entries, encoded and checked once, the fields around them, and the file.

A list is written to a file entry by entry: the total size of the entries is known at the start, and with it every
header. So the lists of a pass wait for their checks on disk. Each is in memory while it is checked and signed.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Generic, Self, TypeVar, cast

from cryptography import x509

from . import der
from .certificate import distribution_point_name
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
    """One entry of a list; times are aware, and encoded in whole seconds."""

    serial: int
    revoked_at: datetime
    reason: Reason
    invalidity_date: datetime | None = None


def entry_der(serial: int, revoked_at: datetime, reason: Reason, invalidity_date: datetime | None = None) -> bytes:
    """Return one DER entry of ``revokedCertificates``; it is made at revocation, stored, and later only copied."""
    extensions = [der.extension("2.5.29.21", der.tlv(0x0A, bytes((reason,))))]
    if invalidity_date is not None:
        extensions.append(der.extension("2.5.29.24", der.generalized_time(invalidity_date)))
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
    since = expected.invalidity_date
    in_seconds = replace(
        expected,
        revoked_at=expected.revoked_at.replace(microsecond=0),
        invalidity_date=since and since.replace(microsecond=0),
    )
    try:
        (entry,) = x509.load_der_x509_crl(der.sequence(tbs, algorithm, der.bit_string(b"")))
        same = revoked_certificate(entry) == in_seconds
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
        yield der.extension("2.5.29.35", self.issuer.authority_key_identifier)
        if self.url is not None:
            yield der.extension("2.5.29.28", issuing_distribution_point(self.url), critical=True)
        yield der.extension("2.5.29.20", der.integer(self.number))


@lru_cache(maxsize=1024)
def issuing_distribution_point(url: str) -> bytes:
    """RFC 5280, 5.2.5; the URL that a partition's certificates name, and that the list covers no CA certificates."""
    return der.sequence(distribution_point_name(url), der.tlv(0x81, b"\xff"))


class CrlFile:
    """A list without its signature, in a file: `add` all `size` octets of entries, leave the context, `read_back`.

    All raise OSError, for instance when the disk is full.
    """

    def __init__(self, path: Path, head: CrlHead, size: int) -> None:
        self.path = path
        self.head = head
        before, after = head.around(size)
        self._after = after + head.algorithm + der.bit_string(b"")
        self._before = der.header(der.SEQUENCE, len(before) + size + len(self._after)) + before
        self._left = size
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        self._file.write(self._before)
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.write(self._after)

    def add(self, entries: bytes) -> None:
        """Write encoded entries. Raises ValueError beyond the announced size."""
        self._left -= len(entries)
        if self._left < 0:
            raise ValueError("the entries are larger than the announced size")
        self._file.write(entries)

    def read_back(self, check: Callable[[bytes], T]) -> "ReadBack[T]":
        """Have `check` read the whole list, and return what may be signed (F3).

        `check` raises for any list that is not the expected one. Raises ValueError if entries are missing.
        """
        if self._left:
            raise ValueError("the entries are smaller than the announced size")
        unsigned = self.path.read_bytes()
        return ReadBack(self.path, self.head, sha256(unsigned).digest(), check(unsigned))


@dataclass(frozen=True, slots=True)
class ReadBack(Generic[T]):
    """A list that passed its check: its SHA-256 with an empty signature, and what the check returned."""

    path: Path
    head: CrlHead
    unsigned_sha256: bytes
    passed: T

    def sign(self, key: SigningKey) -> None:
        """Put the signature into the file, and flush it to disk. Only `ca_signing` calls it.

        Raises KeyUnavailable, OSError, or CrlUnsound if it is not what was checked.
        """
        unsigned = self.path.read_bytes()
        if sha256(unsigned).digest() != self.unsigned_sha256:
            raise CrlUnsound("It was changed between its check and its signature.")
        member = next(der.members(unsigned, der.read(unsigned)))
        tbs = memoryview(unsigned)[member.start : member.end]
        # Hashing takes any buffer, so the list is not copied.
        after = self.head.algorithm + der.bit_string(key.sign(cast(bytes, tbs)))
        with self.path.open("wb") as file:
            file.writelines((der.header(der.SEQUENCE, len(tbs) + len(after)), tbs, after))
            file.flush()
            os.fsync(file.fileno())


def reason_code(reason: x509.CRLReason) -> int:
    return int.from_bytes(reason.public_bytes()[2:])


def revoked_certificate(entry: x509.RevokedCertificate) -> RevokedCertificate:
    """Return one decoded entry. Raises ValueError for an unknown reason, ExtensionNotFound for none."""
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    invalid = [it.value for it in entry.extensions if isinstance(it.value, x509.InvalidityDate)]
    return RevokedCertificate(
        entry.serial_number,
        entry.revocation_date_utc,
        Reason(reason_code(reason)),
        invalid[0].invalidity_date_utc if invalid else None,
    )

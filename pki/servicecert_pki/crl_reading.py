"""CRLs decoded by another library than the one that encodes them (D7).

A list of a million entries is read in a second. Serial numbers are compared by hash and sum, never held all at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from . import der
from .issuer import IssuerInfo
from .keys import SIGNATURE_ALGORITHM, verify_signature

OCTETS = 20
"""Length of a serial number as it is hashed: the longest allowed (RFC 5280, 4.1.2.2)."""


class Unreadable(Exception):
    """The bytes are not a CRL of this service; the message names what is missing and quotes nothing."""


class OutOfOrder(Exception):
    """The entries of a list are not in the order of their serial numbers."""


class ReferenceOutOfOrder(Exception):
    """The same for the list that it is compared with, which another program may have written."""


@dataclass(frozen=True, slots=True)
class SerialSet:
    """A set of serial numbers, without holding them: count, sum, and the SHA-256 of all in ascending order."""

    count: int
    total: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CrlFields:
    """A list's fields without its entries. `scope` is the DER issuing distribution point, None for a full list."""

    issuer: bytes
    number: int
    key_id: bytes | None
    this_update: datetime
    next_update: datetime | None
    scope: bytes | None
    scope_critical: bool
    others: frozenset[str]


_AKI, _NUMBER, _IDP = (it.oid for it in (x509.AuthorityKeyIdentifier, x509.CRLNumber, x509.IssuingDistributionPoint))


def load(encoded: bytes) -> x509.CertificateRevocationList:
    """Decode a DER list. Raises Unreadable."""
    try:
        return x509.load_der_x509_crl(encoded)
    except (ValueError, x509.InvalidVersion):
        raise Unreadable("it is no CRL") from None


def crl_fields(crl: x509.CertificateRevocationList) -> CrlFields:
    """Return the list's fields without its entries. Raises Unreadable."""
    try:
        extensions = {it.oid: it for it in crl.extensions}
        number, key_id, scope = extensions.get(_NUMBER), extensions.get(_AKI), extensions.get(_IDP)
        if number is None:
            raise Unreadable("it has no number")
        assert isinstance(number.value, x509.CRLNumber)
        return CrlFields(
            issuer=crl.issuer.public_bytes(),
            number=number.value.crl_number,
            key_id=key_id.value.key_identifier
            if key_id and isinstance(key_id.value, x509.AuthorityKeyIdentifier)
            else None,
            this_update=crl.last_update_utc,
            next_update=crl.next_update_utc,
            scope=scope.value.public_bytes() if scope else None,
            scope_critical=bool(scope and scope.critical),
            others=frozenset(oid.dotted_string for oid in extensions if oid not in (_AKI, _NUMBER, _IDP)),
        )
    except (TypeError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        # The library raises TypeError for a name with a type of text that it does not know.
        raise Unreadable("its issuer or its extensions cannot be read") from None


def is_signed(encoded: bytes, crl: x509.CertificateRevocationList, issuer: IssuerInfo) -> bool:
    """Return whether the issuer's key signed exactly these bytes with the issuer's algorithm.

    `crl` is the decoded list. The library's own check encodes the list again, which takes twenty times as long.
    """
    try:
        tbs, algorithm, _ = der.members(encoded, outer := der.read(encoded))
    except ValueError:
        return False
    whole = memoryview(encoded)
    if outer.end != len(encoded) or bytes(whole[algorithm.start : algorithm.end]) != SIGNATURE_ALGORITHM[issuer.family]:
        return False
    try:
        verify_signature(issuer.public_key, crl.signature, whole[tbs.start : tbs.end])
    except InvalidSignature:
        return False
    return True


def serials(crl: x509.CertificateRevocationList) -> Iterator[int]:
    return (entry.serial_number for entry in crl)


def compare_serials(new: Iterable[int], old: Iterable[int]) -> tuple[SerialSet, list[int]]:
    """Return the set of the `new` serial numbers, and the `old` ones that are missing in it. Both must ascend.

    Raises OutOfOrder for the new, ReferenceOutOfOrder for the old ones.
    """
    hashed, count, total, last, missing = sha256(), 0, 0, 0, list[int]()
    previous = _ascending(old)
    pending = next(previous, 0)
    for serial in new:
        if serial <= last:
            raise OutOfOrder
        last = serial
        hashed.update(serial.to_bytes(OCTETS, "big"))
        count += 1
        total += serial
        while 0 < pending < serial:
            missing.append(pending)
            pending = next(previous, 0)
        if pending == serial:
            pending = next(previous, 0)
    if pending:
        missing += [pending, *previous]
    return SerialSet(count, total, hashed.hexdigest()), missing


def _ascending(serials: Iterable[int]) -> Iterator[int]:
    last = 0
    for serial in serials:
        if serial <= last:
            raise ReferenceOutOfOrder
        last = serial
        yield serial


def entries(encoded: bytes) -> memoryview:
    """Return the concatenated DER of the entries of a valid list."""
    whole = memoryview(encoded)
    tbs = next(der.members(encoded, der.read(encoded)))
    listed = [it for it in der.members(encoded, tbs) if it.tag == der.SEQUENCE][2:]
    return whole[listed[0].content : listed[0].end] if listed else whole[:0]

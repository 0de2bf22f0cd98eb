"""What a CRL passes before it is published (D7): it is read back by another library, and must be what was meant.

GateFailed      a CRL must not be published; `gate` says which check stopped it, in a word that metrics and alarms use
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509
from servicecert_pki import der
from servicecert_pki.crl import CrlHead
from servicecert_pki.crl_reading import (
    OtherOrder,
    OutOfOrder,
    Said,
    SerialSet,
    Unreadable,
    compared,
    entries,
    is_signed,
    load,
    said,
    serials,
)
from servicecert_pki.extensions import issuing_distribution_point
from servicecert_pki.pkix_lint import lint_crl

GATES = MappingProxyType(
    {
        "readable": "another library reads it",
        "signature": "the CA's key signed it",
        "issuer": "it names the CA and its key",
        "number": "its number is the one given out, and greater than the published one's",
        "times": "this and next update are those planned",
        "scope": "a partition's names the address in its certificates, the full one nothing",
        "lint": "pkilint finds nothing",
        "entries": "its entries are those of the revoked certificates",
        "asked": "what is to be revoked is on it",
        "vanished": "nothing that has not expired is missing of what is published",
        "union": "the partitions together are the full one",
    }
)

_SAMPLES = 2


class GateFailed(Exception):
    """The message is one sentence that quotes no certificate."""

    def __init__(self, gate: str, text: str) -> None:
        super().__init__(text)
        self.gate = gate


@dataclass(frozen=True, slots=True)
class Meant:
    """What a CRL is to say: its head, and of its entries how many, the SHA-256 of their DER and that of their serial numbers, 20 octets each."""

    head: CrlHead
    entries: int
    body_sha256: str
    serials_sha256: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A CRL that is what was meant, but for what is `vanished` since the published one: that may have expired."""

    listed: SerialSet
    vanished: tuple[int, ...]


def check(crl: bytes, meant: Meant, published: bytes | None) -> Passed:
    """Raise GateFailed unless the list, read by another library, is what is meant. `published` is the one that it replaces, if that can be read."""
    try:
        read = load(crl)
        found = said(read)
    except Unreadable as fault:
        raise GateFailed("readable", f"It cannot be read back: {fault}.") from None
    if not is_signed(crl, read, meant.head.issuer):
        raise GateFailed("signature", f"It is not signed by {meant.head.issuer.id}.")
    check_head(found, meant.head)
    body = entries(crl)
    check_lint(meant.head, body)
    if sha256(body).hexdigest() != meant.body_sha256:
        raise GateFailed("entries", "Its entries are not those that are stored.")
    try:
        listed, vanished = _compared(read, published)
    except OutOfOrder:
        raise GateFailed("entries", "Its entries are not in order, or one comes twice.") from None
    if (listed.count, listed.sha256) != (meant.entries, meant.serials_sha256):
        raise GateFailed("entries", "Its entries are not those of the revoked certificates.")
    return Passed(listed, tuple(vanished))


def _compared(read: x509.CertificateRevocationList, published: bytes | None) -> tuple[SerialSet, list[int]]:
    """The serial numbers of a list, and what is missing of the published one's, which another program may have written in another order."""
    try:
        old = load(published) if published is not None else None
    except Unreadable:
        old = None
    if old is None:
        return compared(serials(read), ())
    try:
        return compared(serials(read), serials(old))
    except OtherOrder:
        return compared(serials(read), sorted(set(serials(old))))


def check_head(found: Said, head: CrlHead) -> None:
    """Raise GateFailed unless a list says of itself what it is to say."""
    scope = None if head.url is None else issuing_distribution_point(head.url)
    if (found.issuer, found.key_id) != (head.issuer.subject_der, head.issuer.key_id):
        raise GateFailed("issuer", f"It does not name {head.issuer.id} and its key.")
    if found.number != head.number:
        raise GateFailed("number", f"It has number {found.number} and not {head.number}.")
    if (found.this_update, found.next_update) != (head.this_update, head.next_update):
        raise GateFailed("times", "Its this or next update is not the one planned.")
    if (found.scope, found.scope_critical, found.others) != (scope, scope is not None, frozenset()):
        raise GateFailed("scope", "It is not of the certificates that it is to be of.")


def check_grows(number: int, published: int) -> None:
    """Raise GateFailed unless the number is greater than the published one's (I8)."""
    if number <= published:
        raise GateFailed("number", f"Its number {number} is not greater than {published}, which is published.")


def check_lint(head: CrlHead, body: memoryview) -> None:
    """Raise GateFailed where pkilint finds something in a list with the same head and the first entries: it takes 0.2 ms for each entry."""
    sample: list[bytes] = []
    at = 0
    while at < len(body) and len(sample) < _SAMPLES:
        entry = der.read(bytes(body[at : at + 256]))
        sample.append(bytes(body[at : at + entry.end]))
        at += entry.end
    before, after = head.around(sum(map(len, sample)))
    twin = der.sequence(before, *sample, after, head.algorithm, der.bit_string(bytes(64)))
    if found := lint_crl(twin):
        raise GateFailed("lint", f"The linter finds {', '.join(sorted({it.code for it in found}))}.")


def check_asked(asked: Mapping[bytes, int], revoked: Mapping[bytes, int]) -> None:
    """Raise GateFailed unless what orders ask for is revoked, in the partition that they name: both by serial number."""
    if missing := sum(revoked.get(serial) != partition for serial, partition in asked.items()):
        raise GateFailed("asked", f"{missing} certificates that are to be revoked have no entry.")


def check_vanished(unexpired: int) -> None:
    """Raise GateFailed where entries are missing that have not expired (I7)."""
    if unexpired:
        raise GateFailed(
            "vanished",
            f"{unexpired} entries of the published one are missing that have not expired: if the database was restored from a backup, "
            "let it read the requests for revocation again.",
        )


def check_union(full: SerialSet, partitions: Iterable[tuple[int, int]]) -> None:
    """Raise GateFailed unless the partitions, each given by the count and the sum of its serial numbers, make up the full list."""
    count = total = 0
    for entries_of_one, sum_of_one in partitions:
        count += entries_of_one
        total += sum_of_one
    if (count, total) != (full.count, full.total):
        raise GateFailed(
            "union", f"The partitions with their {count} entries are not the full one with its {full.count}."
        )

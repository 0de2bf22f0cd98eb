"""The checks of a CRL before it is published (D7): another library reads it back, and it must be as expected.

GateFailed      a CRL must not be published; `gate` is the metrics' name of the check
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509
from servicecert_pki import der
from servicecert_pki.crl import CrlHead, are_entries, issuing_distribution_point
from servicecert_pki.crl_reading import (
    CrlFields,
    OutOfOrder,
    ReferenceOutOfOrder,
    SerialSet,
    Unreadable,
    compare_serials,
    crl_fields,
    entries,
    is_signed,
    load,
    serials,
)
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.lint import lint_crl

GATES = MappingProxyType(
    {
        "readable": "another library reads it",
        "signature": "the CA's key signed it",
        "issuer": "it names the CA and its key",
        "number": "its number is the allocated one, and greater than the published one's",
        "times": "this and next update are those planned, and it is not from the future",
        "scope": "a partition names the address in its certificates, the full one nothing",
        "lint": "pkilint finds nothing",
        "entries": "its entries are those of the revoked certificates",
        "asked": "it lists the certificates that were ordered",
        "vanished": "no unexpired entry of the published one is missing",
        "union": "the partitions together are the full one",
    }
)

_SAMPLES = 2
_WARNED = timedelta(days=30)


class GateFailed(Exception):
    """The message is one sentence without details of a certificate."""

    def __init__(self, gate: str, text: str) -> None:
        super().__init__(text)
        self.gate = gate


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected CRL: head, number of entries, SHA-256 of their DER, SHA-256 of their 20-octet serial numbers."""

    head: CrlHead
    entries: int
    body_sha256: str
    serials_sha256: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A CRL that is as expected. `vanished` are missing serial numbers of the published one: they may have expired."""

    listed: SerialSet
    vanished: tuple[int, ...]


def check(crl: bytes, expected: Expected, published: bytes | None) -> Passed:
    """Raise GateFailed unless the CRL, read by another library, is as expected and may replace the `published` one.

    It is read before it is signed (F3): its signature is checked with the signing.
    """
    try:
        read = load(crl)
        contents = crl_fields(read)
    except Unreadable as fault:
        raise GateFailed("readable", f"It cannot be read back: {fault}.") from None
    check_head(contents, expected.head)
    body = entries(crl)
    check_lint(expected.head, body)
    if not are_entries(body):
        raise GateFailed("entries", "An entry is none that this service makes.")
    if sha256(body).hexdigest() != expected.body_sha256:
        raise GateFailed("entries", "Its entries differ from the stored ones.")
    try:
        listed, vanished = _compared(read, _of_same_place(published, expected.head))
    except OutOfOrder:
        raise GateFailed("entries", "Its entries are not in order, or one occurs twice.") from None
    if (listed.count, listed.sha256) != (expected.entries, expected.serials_sha256):
        raise GateFailed("entries", "Its serial numbers differ from those of the revoked certificates.")
    return Passed(listed, tuple(vanished))


def _of_same_place(published: bytes | None, head: CrlHead) -> x509.CertificateRevocationList | None:
    """Return the published CRL, None if it cannot be read. Raise GateFailed if it is this one's at another address."""
    old, scope = None, None
    with suppress(Unreadable):
        if published is not None:
            old = load(published)
            scope = crl_fields(old).scope
    if scope is not None and head.url is not None and scope != issuing_distribution_point(head.url):
        _, _, name = head.url.rpartition("/")
        # Else another file was copied over it.
        if f"/{name}".encode() in scope:
            moved = "The published one names another address, as certificates do: set `crls` of authority.toml back."
            raise GateFailed("scope", moved)
    return old


def _compared(
    read: x509.CertificateRevocationList, old: x509.CertificateRevocationList | None
) -> tuple[SerialSet, list[int]]:
    """Return a CRL's serial numbers, and those missing of the published one, which may have another order."""
    if old is None:
        return compare_serials(serials(read), ())
    try:
        return compare_serials(serials(read), serials(old))
    except ReferenceOutOfOrder:
        return compare_serials(serials(read), sorted(set(serials(old))))


def check_head(contents: CrlFields, head: CrlHead) -> None:
    """Raise GateFailed unless a CRL's head and extensions are as expected."""
    scope = None if head.url is None else issuing_distribution_point(head.url)
    if (contents.issuer, contents.key_id) != (head.issuer.subject_der, head.issuer.key_id):
        raise GateFailed("issuer", f"It does not name {head.issuer.id} and its key.")
    if contents.number != head.number:
        raise GateFailed("number", f"It has number {contents.number} and not {head.number}.")
    if (contents.this_update, contents.next_update) != (head.this_update, head.next_update):
        raise GateFailed("times", "Its this or next update is not the one planned.")
    if (contents.scope, contents.scope_critical, contents.others) != (scope, scope is not None, frozenset()):
        raise GateFailed("scope", "Its distribution point is not the expected one.")


def check_not_ahead(this_update: datetime, now: datetime) -> None:
    """Raise GateFailed if a CRL's this update is later than the database's now: nobody would accept it yet (F6)."""
    if this_update > now:
        raise GateFailed("times", "Its this update is later than PostgreSQL's time: see the alert ClockWrong.")


def check_grows(number: int, published: int) -> None:
    """Raise GateFailed unless the number is greater than the published one's (I8)."""
    if number <= published:
        raise GateFailed("number", f"Its number {number} is not greater than {published}, which is published.")


def check_lint(head: CrlHead, body: memoryview) -> None:
    """Raise GateFailed if pkilint finds a fault in a CRL with this head and the first entries (0.2 ms for each)."""
    sample: list[bytes] = []
    at = 0
    while at < len(body) and len(sample) < _SAMPLES:
        entry = der.read(bytes(body[at : at + 256]))
        sample.append(bytes(body[at : at + entry.end]))
        at += entry.end
    before, after = head.around(sum(map(len, sample)))
    twin = der.sequence(before, *sample, after, head.algorithm, der.bit_string(bytes(64)))
    if findings := lint_crl(twin):
        raise GateFailed("lint", f"The linter finds {', '.join(sorted({it.code for it in findings}))}.")


def check_ordered(ordered: Mapping[bytes, int], revoked: Mapping[bytes, int]) -> None:
    """Raise GateFailed unless the ordered serial numbers are revoked, in the ordered partitions."""
    if missing := sum(revoked.get(serial) != partition for serial, partition in ordered.items()):
        raise GateFailed("asked", f"{missing} ordered certificates have no entry.")


def check_vanished(unexpired: int) -> None:
    """Raise GateFailed if unexpired entries are missing (I7)."""
    if unexpired:
        raise GateFailed(
            "vanished",
            f"{unexpired} unexpired entries of the published one are missing: if the database is a restored backup, "
            "let it read the requests for revocation again.",
        )


def check_union(full: SerialSet, partitions: Iterable[tuple[int, int]]) -> None:
    """Raise GateFailed unless the partitions, as count and sum of serial numbers, add up to the full CRL."""
    count = total = 0
    for entries_of_one, sum_of_one in partitions:
        count += entries_of_one
        total += sum_of_one
    if (count, total) != (full.count, full.total):
        raise GateFailed(
            "union", f"The partitions have {count} entries, which do not add up to the full one with its {full.count}."
        )


@dataclass(frozen=True, slots=True)
class RootCrl:
    """A parsed CRL, its head and extensions, and the serial numbers of the CAs that it revokes."""

    read: x509.CertificateRevocationList
    contents: CrlFields
    listed: frozenset[int]


def read_root_crl(crl: bytes | None, root: IssuerInfo) -> RootCrl | None:
    """Return a parsed CRL, None if there is none, it cannot be read, or the root has not signed it."""
    parsed = _parsed(crl)
    return parsed if parsed is not None and crl is not None and is_signed(crl, parsed.read, root) else None


def _parsed(crl: bytes | None) -> RootCrl | None:
    if crl is None:
        return None
    try:
        read = load(crl)
        return RootCrl(read, crl_fields(read), frozenset(it.serial_number for it in read))
    except (Unreadable, ValueError):
        return None


def check_root(crl: bytes, root: IssuerInfo, published: bytes | None, now: datetime) -> CrlFields:
    """Return a root's CRL's head and extensions. Raise GateFailed if it must not replace the `published` one."""
    made = _parsed(crl)
    if made is None:
        raise GateFailed("readable", "It cannot be read.")
    contents = made.contents
    if not is_signed(crl, made.read, root):
        raise GateFailed("signature", f"It is not signed by {root.id}.")
    if (contents.issuer, contents.key_id) != (root.subject_der, root.key_id):
        raise GateFailed("issuer", f"It does not name {root.id} and its key.")
    if contents.next_update is None or not contents.this_update <= now < contents.next_update:
        raise GateFailed("times", "It is not valid now: make another one with `servicecert ca root crl`.")
    if contents.scope is not None or contents.others:
        raise GateFailed("scope", "It does not cover all certificates of the root.")
    if findings := lint_crl(crl):
        raise GateFailed("lint", f"The linter finds {', '.join(sorted({it.code for it in findings}))}.")
    old = read_root_crl(published, root)
    if old is not None:
        check_grows(contents.number, old.contents.number)
        # A root's CRL is short: its entries stay forever.
        check_vanished(len(old.listed - made.listed))
    return contents


def days_left(published: RootCrl | None, now: datetime) -> int | None:
    """Return the days until the published CRL expires: 0 if there is none, None if there is time enough."""
    if published is None or published.contents.next_update is None:
        return 0
    left = published.contents.next_update - now
    return left.days if left < _WARNED else None

"""Decides which CRLs a pass makes. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from servicecert_pki.crl_reading import Unreadable, crl_fields, is_signed, load
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import FULL

from .crl_orders import PublishOrder, is_scheduled


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a CRL: entries, and the octets of their encoding."""

    entries: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """A partition's last published CRL in the database; `total` is the sum of its serial numbers."""

    number: int
    entries: int
    total: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CrlVersion:
    """A file's SHA-256, and a CRL's number: 0 for what its CA has not signed, so that it holds no CRL up (F5)."""

    number: int
    sha256: str

    @classmethod
    def of(cls, content: bytes, issuer: IssuerInfo) -> "CrlVersion":
        try:
            crl = load(content)
            number = crl_fields(crl).number if is_signed(content, crl, issuer) else 0
        except Unreadable:
            number = 0
        return cls(number, sha256(content).hexdigest())


def is_late(crl: CrlVersion, current: CrlVersion) -> bool:
    """Return whether another CRL than the current one must not replace it: its number is not greater (I7, I8).

    A file that is no CRL has number 0, as whatever else is there, and replaces that.
    """
    return current.number >= max(crl.number, 1)


def is_served(current: CrlVersion | None, published: CrlVersion, newest: int) -> bool:
    """Return whether a place has what was published (F7), or a CRL of a pass that goes on.

    Such a one has a number above the `newest` that the CA has published; what is there by mistake has none.
    """
    return current is not None and (current == published or current.number > newest)


def partitions_to_publish(
    orders: Sequence[PublishOrder],
    sizes: Mapping[int, Size],
    recorded: Mapping[int, Recorded],
    published: Mapping[int, CrlVersion | None],
) -> Collection[int]:
    """Return the full CRL, the ordered partitions and the outdated ones; for a scheduled order all in `published`.

    Between scheduled CRLs a partition only grows, so the number of its entries tells whether it is current. The result
    is a part of `published`, whatever the orders say.
    """
    if is_scheduled(orders):
        return frozenset(published)
    current = {
        partition
        for partition, last in recorded.items()
        if (crl := published.get(partition)) is not None
        and (crl.sha256, sizes.get(partition, Size()).entries) == (last.sha256, last.entries)
    }
    return (published.keys() - current) | {FULL} | {covering(order.partition, published) for order in orders}


def covering(partition: int, published: Collection[int]) -> int:
    """Return the partition, or the full CRL if no CRL is made for it: then only the full one covers its certificates.

    So the work of a pass is bounded by the partitions that certificates can name, and not by a number in an event (F5).
    """
    return partition if partition in published else FULL


def by_urgency(partitions: Collection[int], orders: Sequence[PublishOrder]) -> list[int]:
    """Return the partitions, those with new revocations first (D4)."""
    urgent = {covering(order.partition, partitions) for order in orders if order.serial is not None}
    if urgent:
        urgent.add(FULL)
    return sorted(partitions, key=lambda partition: (partition not in urgent, -partition))

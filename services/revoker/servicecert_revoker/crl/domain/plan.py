"""Which CRLs a pass makes. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256

from servicecert_pki.crl_reading import Unreadable, number_of
from servicecert_pki.partitions import FULL

from .publication import PublishOrder, is_scheduled


@dataclass(frozen=True, slots=True)
class Size:
    """How much a CRL is to list: entries, and the octets of their encoding."""

    entries: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known of a partition's last published CRL."""

    entries: int
    total: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A CRL that is published: its number, 0 of one that cannot be read, and the SHA-256 of its DER."""

    number: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "Shown":
        try:
            number = number_of(content)
        except Unreadable:
            number = 0
        return cls(number, sha256(content).hexdigest())


class Placing(Enum):
    """What becomes of a CRL where another one may be published."""

    PUT = auto()
    KEPT = auto()
    LATE = auto()


def placing(there: Shown | None, crl: Shown) -> Placing:
    """PUT in the place of what is there; KEPT where it is that one; LATE where the number there is as great, which must not come to be smaller (I7, I8)."""
    if there == crl:
        return Placing.KEPT
    return Placing.LATE if there is not None and there.number >= crl.number else Placing.PUT


def wanted(
    orders: Sequence[PublishOrder],
    sizes: Mapping[int, Size],
    recorded: Mapping[int, Recorded],
    shown: Mapping[int, Shown | None],
) -> Collection[int]:
    """The partitions to be made: the full CRL, those that orders name, and those that lack something; on schedule all that are `shown`.

    Between schedules a partition only grows, so that the number of its entries tells whether it stayed as it is.
    """
    if is_scheduled(orders):
        return frozenset(shown)
    lacking = {
        partition
        for partition, published in shown.items()
        if not _is_whole(published, recorded.get(partition), sizes.get(partition, Size()))
    }
    return lacking | {FULL} | {order.partition for order in orders}


def _is_whole(published: Shown | None, recorded: Recorded | None, size: Size) -> bool:
    if published is None or recorded is None:
        return False
    return (published.sha256, recorded.entries) == (recorded.sha256, size.entries)

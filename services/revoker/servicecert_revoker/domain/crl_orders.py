"""The orders to publish CRLs and to ask the OCSP responder, their results, and what a pass makes (D5, D7, I7). Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from servicecert_pki.crl import Reason, RevokedCertificate, check_entry, entry_der
from servicecert_pki.crl_reading import Unreadable, crl_fields, is_signed, load
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import FULL
from servicecert_schemas.revocation import RevocationReason, StandingsCount
from servicecert_schemas.values import Value
from servicecert_worker.core.decider import Intent

from .certificates import Certificate, Void
from .status import Entered, Revocation

PUBLISH = "publish"
"""The act that publishes a CRL with a revocation."""

CONFIRM = "confirm"
"""The act that asks OCSP whether it says revoked."""


class PublishOrder(Value):
    """An order for the full CRL of `issuer` and a partition, both with `serial`; without it for all, as scheduled."""

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "partition", "serial")

    issuer: str
    partition: int = FULL
    serial: str | None = None
    request_id: UUID | None = None


class PublishedCrl(Value):
    """A CRL that was checked, published and fetched back. Partition 0 is the full one; `sha256` is of its DER.

    The full one has the count of its CA's standings, unless an earlier version published it.
    """

    partition: int
    number: int
    url: str
    this_update: datetime
    next_update: datetime
    entries: int
    sha256: str
    count: StandingsCount | None = None


class Published(Value):
    """The result of an order: all CRLs that it needs are published.

    `crl` is the certificate's distribution point; for a scheduled order the full CRL. A pass serves many orders, only
    one of them has its CRLs in `announced`. The next scheduled pass is at `next_planned`.
    """

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "partition", "number", "sha256")

    issuer: str
    crl: PublishedCrl
    announced: tuple[PublishedCrl, ...] = ()
    next_planned: datetime
    published_at: datetime
    request_id: UUID | None = None

    @property
    def partition(self) -> int:
        return self.crl.partition

    @property
    def number(self) -> int:
        return self.crl.number

    @property
    def sha256(self) -> str:
        return self.crl.sha256


class ConfirmOrder(Value):
    """An order to ask whether OCSP says what the CRL does; `request_id` is the request that gave the reason.

    An order of an earlier version has no reason: then any counts.
    """

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial")

    issuer: str
    serial: str
    request_id: UUID
    reason: RevocationReason | None = None
    crl_number: int
    crl_url: str
    published_at: datetime


class Confirmed(ConfirmOrder):
    """OCSP said revoked at `confirmed_at`; None if no responder is configured."""

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "crl_number", "confirmed_at")

    confirmed_at: datetime | None


def is_scheduled(orders: Iterable[PublishOrder]) -> bool:
    return any(order.serial is None for order in orders)


def publish_entry(status: Entered) -> Intent:
    """Return the intent to publish CRLs with a new or changed entry."""
    certificate = status.certificate
    order = PublishOrder(
        issuer=certificate.issuer,
        partition=certificate.partition,
        serial=certificate.serial,
        request_id=status.revocation.request_id,
    )
    return Intent(PUBLISH, order)


REASONS = MappingProxyType(
    {
        RevocationReason.KEY_EXPOSED: Reason.KEY_COMPROMISE,
        RevocationReason.NO_LONGER_NEEDED: Reason.CESSATION_OF_OPERATION,
        RevocationReason.PURPOSE_OR_DATA_CHANGED: Reason.AFFILIATION_CHANGED,
        RevocationReason.PRIVILEGE_WITHDRAWN: Reason.PRIVILEGE_WITHDRAWN,
    }
)
"""The reasons of D2 as RFC 5280, 5.3.1 codes them."""


def entry(certificate: Certificate | Void, revocation: Revocation) -> bytes:
    """Return a CRL entry in DER, checked by another library and stored once (D7). Raises CrlUnsound."""
    serial, reason = int(certificate.serial, 16), REASONS[revocation.reason]
    made = entry_der(serial, revocation.revoked_at, reason, revocation.invalid_since)
    check_entry(made, RevokedCertificate(serial, revocation.revoked_at, reason, revocation.invalid_since))
    return made


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
    this_update: datetime


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
    outdated: datetime,
) -> Collection[int]:
    """Return the full CRL, the ordered partitions and the outdated ones; for a scheduled order all in `published`.

    Between scheduled CRLs a partition only grows, so the number of its entries tells whether it is current. One of an
    `outdated` update is not, also where a scheduled pass has ended with another. The result is a part of `published`.
    """
    if is_scheduled(orders):
        return frozenset(published)
    current = {
        partition
        for partition, last in recorded.items()
        if last.this_update > outdated
        and (crl := published.get(partition)) is not None
        and (crl.sha256, sizes.get(partition, Size()).entries) == (last.sha256, last.entries)
    }
    return (published.keys() - current) | {FULL} | {covering(order.partition, published) for order in orders}


def covering(partition: int, published: Collection[int]) -> int:
    """Return the partition, or the full CRL if no CRL is made for it: then only the full one covers its certificates.

    So the work of a pass is bounded by the partitions that certificates can name, and not by a number in an event (F5).
    """
    return partition if partition in published else FULL


def by_urgency(partitions: Collection[int], orders: Sequence[PublishOrder]) -> list[int]:
    """Return the partitions, those with new revocations first, and the full CRL with them (D4)."""
    urgent = {FULL, *(covering(order.partition, partitions) for order in orders if order.serial is not None)}
    return sorted(partitions, key=lambda partition: (partition not in urgent, -partition))

"""The order to publish CRLs, and what comes of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from servicecert_pki.partitions import FULL


class PublishOrder(BaseModel):
    """CRLs of `issuer` are wanted: with this serial number on the full one and its partition's for this request, or, on schedule, all of them."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "partition", "serial")

    issuer: str
    partition: int = FULL
    serial: str | None = None
    request_id: UUID | None = None


class PublishedCrl(BaseModel):
    """A CRL that was checked, published and fetched back. Partition 0 is the full one; `sha256` is of its DER."""

    model_config = ConfigDict(frozen=True)

    partition: int
    number: int
    url: str
    this_update: datetime
    next_update: datetime
    entries: int
    sha256: str


class Published(BaseModel):
    """What came of an order, once every CRL that it asked for is published.

    `crl` is the one that the order's certificate names as its distribution point, on schedule the full one. The CRLs of one pass answer many orders;
    they are announced by one of them, `announced` of the others is empty. `request_id` is the order's. The next pass is planned for `next_planned`.
    """

    model_config = ConfigDict(frozen=True)
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


def is_scheduled(orders: Iterable[PublishOrder]) -> bool:
    """Whether one of the orders asks for all CRLs."""
    return any(order.serial is None for order in orders)


def schedule_key(issuer: str) -> str:
    """The key that a CA's scheduled CRLs belong to: that of its full one's `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def scheduled_issuer(key: str) -> str | None:
    """The CA whose schedule the key is, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None

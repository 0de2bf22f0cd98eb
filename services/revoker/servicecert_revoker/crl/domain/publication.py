"""The orders to publish CRLs and to ask the OCSP responder whether it says so too, and what comes of them (D5, I7). Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from servicecert_pki.partitions import FULL

PUBLISH = "publish"
"""The act that brings a revocation onto a published CRL."""

CONFIRM = "confirm"
"""The act of asking OCSP whether it says so too."""


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


class ConfirmOrder(BaseModel):
    """OCSP is to say that `serial` of `issuer` is revoked, as the published CRL `crl_number` does since `published_at`.

    `request_id` is the request that gave the reason.
    """

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial")

    issuer: str
    serial: str
    request_id: UUID
    crl_number: int
    crl_url: str
    published_at: datetime


class Confirmed(ConfirmOrder):
    """OCSP said so at `confirmed_at`; None where no responder is configured, so that nobody was asked."""

    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial", "crl_number", "confirmed_at")

    confirmed_at: datetime | None


def is_scheduled(orders: Iterable[PublishOrder]) -> bool:
    """Whether one of the orders asks for all CRLs."""
    return any(order.serial is None for order in orders)

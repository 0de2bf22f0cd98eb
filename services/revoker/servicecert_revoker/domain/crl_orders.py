"""The orders to publish CRLs and to ask the OCSP responder, and their results (D5, I7). Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from servicecert_pki.partitions import FULL
from servicecert_schemas.revocation import RevocationReason, StandingsCount
from servicecert_worker.core.decider import Intent

from .status import Entered

PUBLISH = "publish"
"""The act that publishes a CRL with a revocation."""

CONFIRM = "confirm"
"""The act that asks OCSP whether it says revoked."""


class PublishOrder(BaseModel):
    """An order for the full CRL of `issuer` and a partition, both with `serial`; without it for all, as scheduled.

    `rest` is an order for what a scheduled pass has left; it is never stored.
    """

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "partition", "serial")

    issuer: str
    partition: int = FULL
    serial: str | None = None
    request_id: UUID | None = None
    rest: bool = Field(default=False, exclude=True)


class PublishedCrl(BaseModel):
    """A CRL that was checked, published and fetched back. Partition 0 is the full one; `sha256` is of its DER.

    The full one has the count of its CA's standings, unless an earlier version published it.
    """

    model_config = ConfigDict(frozen=True)

    partition: int
    number: int
    url: str
    this_update: datetime
    next_update: datetime
    entries: int
    sha256: str
    count: StandingsCount | None = None


class Published(BaseModel):
    """The result of an order: all CRLs that it needs are published.

    `crl` is the certificate's distribution point; for a scheduled order the full CRL. A pass serves many orders, only
    one of them has its CRLs in `announced`. The next scheduled pass is at `next_planned`.
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
    """An order to ask whether OCSP says what the CRL does; `request_id` is the request that gave the reason.

    An order of an earlier version has no reason: then any counts.
    """

    model_config = ConfigDict(frozen=True)
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
    """Return whether one of the orders is for all CRLs."""
    return any(order.serial is None and not order.rest for order in orders)


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

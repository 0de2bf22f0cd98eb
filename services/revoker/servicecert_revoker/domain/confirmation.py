"""The order to ask the OCSP responder whether it says so too, and what comes of it (D5, I7)."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict


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

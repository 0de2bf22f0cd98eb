"""The order to publish a CRL, and what comes of it."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

FULL = 0
"""The partition of the full CRL."""


class PublishOrder(BaseModel):
    """A CRL of `issuer` is wanted: with this serial number on it for this request, or, on schedule, with neither."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "serial")

    issuer: str
    serial: str | None = None
    request_id: UUID | None = None


class Published(BaseModel):
    """A CRL that was checked, published and fetched back.

    `request_id` is the order's. One CRL answers many orders and is announced by one of them. The next one is planned for `next_planned`.
    """

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("issuer", "number", "entries", "sha256")

    issuer: str
    number: int
    url: str
    this_update: datetime
    next_update: datetime
    next_planned: datetime
    published_at: datetime
    sha256: str
    entries: int
    request_id: UUID | None = None
    announce: bool = False


def schedule_key(issuer: str) -> str:
    """The key that a CA's scheduled CRLs belong to: that of its `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def scheduled_issuer(key: str) -> str | None:
    """The CA whose schedule the key is, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None

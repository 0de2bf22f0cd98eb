"""What the topics say of certificates: how cases ended, and what OCSP responders answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime

from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, CERTIFICATES, Topic

from ..connections import kafka
from ..connections.addresses import Cluster


async def read_ends(place: Cluster, take: Callable[[CertificateIssued | CertificateVoided], None]) -> None:
    """Gives every certificate that is issued and every serial number that is void, as far as the topic still has them. Raises OperatorError."""
    async for data, _ in _read(place, CERTIFICATES):
        if isinstance(data, CertificateIssued | CertificateVoided):
            take(data)


async def read_standings(place: Cluster, take: Callable[[StandingChanged, datetime], object]) -> None:
    """Gives all that OCSP responders are told of certificates, and when it was said. Raises OperatorError."""
    async for data, at in _read(place, CERTIFICATE_STANDINGS):
        if isinstance(data, StandingChanged):
            take(data, at)


async def _read(place: Cluster, topic: Topic) -> AsyncIterator[tuple[EventData, datetime]]:
    """The events that a topic has now, without what is none."""
    async with aclosing(kafka.records(place, topic)) as records:
        async for record in records:
            try:
                envelope, data = decode(record.key, record.headers, record.value)
            except Undecodable:
                continue
            yield data, envelope.time

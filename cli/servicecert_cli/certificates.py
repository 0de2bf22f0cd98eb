"""What the topic `certificates` says of how cases ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.topics import CERTIFICATES

from servicecert_cli import kafka
from servicecert_cli.addresses import Cluster


async def read_ends(place: Cluster, take: Callable[[CertificateIssued | CertificateVoided], None]) -> None:
    """Gives every certificate that is issued and every serial number that is void, as far as the topic still has them. Raises OperatorError."""
    async with aclosing(kafka.records(place, CERTIFICATES)) as records:
        async for record in records:
            try:
                _, data = decode(record.key, record.headers, record.value)
            except Undecodable:
                continue
            if isinstance(data, CertificateIssued | CertificateVoided):
                take(data)

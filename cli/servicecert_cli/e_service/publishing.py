"""Publishes events as the e-service does."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from servicecert_schemas.account import AccountOpened
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_worker.core.signatures import Signer
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka

E_SERVICE = "/e-service"

# An account is older than every application that is signed in it (A8).
_ACCOUNTS_OPENED = datetime(2020, 1, 1, tzinfo=UTC)


async def publish(
    cluster: Cluster, *events: EventData, signer: Signer | None = None, source: str = E_SERVICE
) -> list[UUID]:
    """Publish events in order, for tests as the service that signs; return their ids. Raises OperatorError."""
    now = datetime.now(UTC)
    ids = [uuid4() for _ in events]
    source = source if signer is None else signer.source
    records = [
        to_record(data, source=source, id=id, time=_ACCOUNTS_OPENED if isinstance(data, AccountOpened) else now)
        for id, data in zip(ids, events, strict=True)
    ]
    if signer is not None:
        records = [signer.signed(record) for record in records]
    async with kafka.producer(cluster) as producer:
        await kafka.send(producer, cluster, records)
    return ids

"""Publishing events as the e-service does."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka

E_SERVICE = "/e-service"


async def publish(place: Cluster, *events: EventData) -> list[UUID]:
    """Publishes events in order; answers their ids. Raises OperatorError."""
    now = datetime.now(UTC)
    ids = [uuid4() for _ in events]
    records = [to_record(data, source=E_SERVICE, id=id, time=now) for id, data in zip(ids, events, strict=True)]
    async with kafka.producer(place) as producer:
        await kafka.send(producer, place, records)
    return ids

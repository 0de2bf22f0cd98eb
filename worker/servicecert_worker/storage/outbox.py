"""The outbox: what is put there the service's relay publishes."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from servicecert_schemas.codec import written
from servicecert_schemas.event import EventData

from ..core.decider import Connection
from ..core.signatures import Signer
from . import QUERIES, columns


async def publish(
    connection: Connection, signer: Signer, topic: str, events: Iterable[tuple[UUID, EventData, datetime]]
) -> None:
    """Put events of a topic into the outbox, signed, in order: each with its id and when it was decided."""
    rows = [(topic, data.key(), id, *written(data), at) for id, data, at in events]
    await connection.execute(QUERIES["publish"], *columns(rows, 6), [signer.sign(*row) for row in rows])

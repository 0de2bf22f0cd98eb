"""What a service tells operators of a record that it could not handle (topic `<service>.parked`).

The record itself stays in the service's database, where it can be looked at, replayed, discarded and erased: it may hold personal data.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from .event import EventData
from .values import Identifier, Instant, Number


class RecordParked(EventData):
    """A record was put aside, with its origin and the reason. `culprit` is False for one that waits behind another of its key."""

    TYPE: ClassVar[str] = "servicecert.record.parked.v1"

    service: Identifier
    event_id: UUID
    record_key: Annotated[str, Field(max_length=1_000)]
    topic: Identifier
    partition: Number
    offset: Number
    culprit: bool
    reason: Identifier
    error: Annotated[str, Field(max_length=2_000)]
    attempts: Number
    first_at: Instant
    last_at: Instant

    def key(self) -> str:
        return self.record_key

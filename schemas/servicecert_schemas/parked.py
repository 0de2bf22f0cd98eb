"""Records that a service could not handle, for operators (topic `<service>.parked`).

The record may hold personal data. It stays in the service's database, where operators replay, discard and erase it.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from .event import EventData
from .values import Count, Identifier, Instant, Number


class RecordParked(EventData):
    """A record was parked, with origin and reason. `culprit` is False if it waits for another one of its key.

    With a `last_offset` it stands for all that is no event from `offset` up to there.
    """

    TYPE: ClassVar[str] = "servicecert.record.parked.v1"

    service: Identifier
    event_id: UUID
    record_key: Annotated[str, Field(max_length=1_000)]
    topic: Identifier
    partition: Count
    offset: Number
    last_offset: Number | None = None
    culprit: bool
    reason: Identifier
    error: Annotated[str, Field(max_length=2_000)]
    attempts: Count
    first_at: Instant
    last_at: Instant

    def key(self) -> str:
        return self.record_key

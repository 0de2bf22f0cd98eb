"""The records of which nothing tells when they were decided, and by when they were. Pure.

Such a record was decided with the next one of its partition that is told of, in one turn, where only the last of
several views is published. Or earlier, with nothing to publish. Or after all that is published, or never: a service
publishes its events in the order in which it decides them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from ..core.record import Record
from .order import next_known

Place: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset."""
Span: TypeAlias = tuple[str, int, datetime]
"""Topic and partition of records that stand together, and when they were decided at the latest."""


def place_of(record: Record) -> Place:
    """Return the place of a record."""
    return record.topic, record.partition, record.offset


class Untold:
    """Notes those records, and which spans turned out to have been decided at their last moment."""

    def __init__(self) -> None:
        self._latest: dict[UUID, datetime] = {}
        self._spans: dict[Place, Span] = {}
        self._late: set[Span] = set()

    def note(
        self, records: Sequence[Record], ids: Sequence[UUID], told: Sequence[datetime | None], last: datetime
    ) -> None:
        """Note the records of one partition, in order: their ids, when they were decided if that is told, else None.

        `last` is a moment after all that is published.
        """
        for record, id, at, until in zip(records, ids, told, next_known(told), strict=True):
            if at is None:
                span = record.topic, record.partition, until or last
                self._spans[place_of(record)] = span
                self._latest.setdefault(id, span[-1])

    def may_be_later(self, id: UUID, at: datetime) -> bool:
        """Return whether a record may have been decided after a moment."""
        return at < self._latest.get(id, at)

    def is_late(self, record: Record) -> None:
        """Note that a record, and so those behind it, were decided at the last moment of their span."""
        self._late.add(self._spans[place_of(record)])

    def moved_to(self, record: Record, at: datetime) -> datetime | None:
        """Return the moment that a record is moved to from an earlier one; None if it stays."""
        span = self._spans.get(place_of(record))
        return span[-1] if span in self._late and span is not None and at < span[-1] else None

    def has(self, record: Record) -> bool:
        return place_of(record) in self._spans

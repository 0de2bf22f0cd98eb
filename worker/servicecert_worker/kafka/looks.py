"""Reads a service's journal."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import TopicPartition
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.topics import journal_topic

from ..core.record import Record
from ..core.signatures import Verifier
from .cluster import Cluster
from .journal import Number, Part, read_part
from .reading import PartReader

log = logging.getLogger(__name__)

_AT_ONCE = 20
"""How many records are in memory. Each has a megabyte after an outage."""


@dataclass(frozen=True, slots=True)
class JournalTopic:
    """The topic of a service's journal, from its first offset to its end."""

    reader: PartReader
    verifier: Verifier
    service: str
    place: TopicPartition
    first: int
    end: int

    @classmethod
    async def open(cls, reader: PartReader, cluster: Cluster, service: str, verifier: Verifier) -> JournalTopic:
        """Return the topic as it is. Raises what aiokafka raises."""
        place = TopicPartition(cluster.name(journal_topic(service)), 0)
        return cls(reader, verifier, service, place, *await reader.extent(place))

    async def parts(self, offset: int, end: int | None = None) -> AsyncIterator[tuple[Part, Record]]:
        """Yield what the service has signed from an offset on, or up to another one. Raises what aiokafka raises.

        Any other record proves nothing: neither may whoever wrote it stop the service, nor may a key that is pinned no
        more.
        """
        offset, end = max(offset, self.first), self.end if end is None else end
        while offset < end:
            for record in await self.reader.read({self.place: (offset, min(offset + _AT_ONCE, end))}):
                try:
                    yield read_part(self.service, record, self.verifier), record
                except Undecodable:
                    place = {"topic": record.topic, "offset": record.offset}
                    log.error(
                        "alarm: a record of the journal is not signed by its service; it proves nothing", extra=place
                    )
            offset += _AT_ONCE

    async def after(self, number: Number, next_offset: int | None) -> int | None:
        """Return from which offset on the topic has all that came after a look, None if it lacks some of that.

        A topic that was lost and filled again has other records at the offset that is noted, and has all from its first
        one on. Raises what aiokafka raises.
        """
        if next_offset is not None and self.first <= next_offset <= self.end:
            noted = [part.number async for part, _ in self.parts(next_offset - 1, next_offset)]
            if next_offset == self.first or noted == [number]:
                return next_offset
        return None if self.first else 0

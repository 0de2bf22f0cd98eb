"""The records of a service's journal, in the topic `<service>.journal`.

A look of the relay takes one record or more; the last one says so. A look that is not whole was never finished: its
events were not published, and it counts for nothing. Looks are numbered in the epoch of their relay: of a relay that
was cut off and goes on, those that come after a later one's have lower numbers, and count for nothing either.
"""

import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import TopicPartition
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.topics import journal_topic

from ..core.record import Record
from ..core.signatures import Verifier
from .cluster import Cluster
from .reading import PartReader

log = logging.getLogger(__name__)

TYPE = "servicecert.journal.rows.v1"
"""The type of the records, in their headers. They are no events of the contract: no other service reads them."""

_PART_BYTES = 900_000
"""What the groups of a record come to, and one group at least."""
_PART_CHANGES = 5_000
"""How many changes a record names: after an outage there may be millions."""
_AT_ONCE = 20
"""How many records are in memory that are read. Each has a megabyte after an outage."""


class Number(NamedTuple):
    """The number of a look, in the epoch of its relay."""

    epoch: int
    look: int


class Group(NamedTuple):
    """What the tables of a group hold of a key: the rows, None where there are none."""

    name: str
    key: str
    rows: Mapping[str, list[dict[str, Any]] | None]


@dataclass(frozen=True, slots=True)
class Part:
    """A record. `changes` are ids of what the look found: all its parts together have all of them."""

    offset: int
    number: Number
    place: int
    last: bool
    changes: frozenset[UUID]
    groups: tuple[Group, ...]


class LookReader:
    """Puts looks together from their parts, in the order of the topic. Those before the number `last` do not count."""

    def __init__(self, last: Number) -> None:
        self._last = last
        self._open: dict[Number, list[Part]] = {}

    def add(self, part: Part) -> Sequence[Part]:
        """Return all parts of the look that this one makes whole; none if there is no such look."""
        if part.number < self._last:
            return ()
        # A replica that took over may have lost the last epoch, and begins it once more: the second look counts, too.
        parts = self._open[part.number] = self._open.get(part.number, []) if part.place else []
        if part.place != len(parts):
            # Its beginning is gone by retention.
            return ()
        parts.append(part)
        if not part.last:
            return ()
        self._last = part.number
        self._open = {number: others for number, others in self._open.items() if number > part.number}
        return parts


class Parts:
    """Gathers the records of a look. `changes` are the ids of what it found."""

    def __init__(self, number: Number, changes: Sequence[UUID]) -> None:
        self._number = number
        self._changes = changes
        self._groups: list[bytes] = []
        self._size = 0
        self._place = 0

    def add(self, groups: str) -> bytes | None:
        """Add groups, as `written_group` writes them, with commas between. Return a record's value once one is full."""
        added = groups.encode()
        full = self._end(last=False) if self._groups and self._size + len(added) > _PART_BYTES else None
        self._groups.append(added)
        self._size += len(added)
        return full

    def end(self) -> Iterator[bytes]:
        """Yield the values of the last records."""
        while len(self._changes) > _PART_CHANGES:
            yield self._end(last=False)
        yield self._end(last=True)

    def _end(self, *, last: bool) -> bytes:
        epoch, look = self._number
        changes = json.dumps([str(each) for each in self._changes[:_PART_CHANGES]])
        head = f'"epoch":{epoch},"look":{look},"part":{self._place},"last":{json.dumps(last)},"changes":{changes}'
        value = b'{%b,"groups":[%b]}' % (head.encode(), b",".join(self._groups))
        self._groups, self._size, self._place, self._changes = [], 0, self._place + 1, self._changes[_PART_CHANGES:]
        return value


def written_group(name: str, key: str, rows: str) -> str:
    return f"[{json.dumps(name)},{json.dumps(key)},{rows}]"


def read_part(service: str, record: Record, verifier: Verifier) -> Part:
    """Return a record of a service's journal. Raises `Undecodable` unless the service has signed it."""
    if not verifier.is_from(service, record.topic, record.key, record.headers, record.value):
        raise Undecodable("journal", f"A record of {journal_topic(service).name} is not signed by {service}.")
    value = json.loads(record.value or b"")
    return Part(
        record.offset,
        Number(value["epoch"], value["look"]),
        value["part"],
        value["last"],
        frozenset(map(UUID, value["changes"])),
        tuple(Group(name, key, rows) for name, key, rows in value["groups"]),
    )


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
    async def open(cls, reader: PartReader, cluster: Cluster, service: str, verifier: Verifier) -> "JournalTopic":
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

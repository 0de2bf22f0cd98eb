"""When a replay decides what: each item at the moment at which it was decided first. Pure.

What a turn decided has the turn's moment, which its published events show. An item without any is decided between its
neighbours in its partition, when it was written or later.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate, count

from ..core.decider import Due, Result
from ..core.record import Record

SOON = timedelta(microseconds=1)
"""The step of the clock that a replay shows."""


@dataclass(frozen=True, slots=True)
class Release:
    """The parked records of a key, of which one is known to have been handled after all."""

    key: str


Waiting = Record | Result | Due | Release


@dataclass(order=True, slots=True)
class _Entry:
    at: datetime
    place: int
    offset: int
    arrived: int
    item: Waiting = field(compare=False)


class Agenda:
    """The items that are still to be decided, by moment, and within one by their places, and then as they arrived.

    Records of one place have the order of their partition, also those that were moved (I5).
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._arrivals = count()

    def add(self, at: datetime, item: Waiting, place: int = 0) -> None:
        """Add an item that is to be decided at a moment; `place` orders the items of a moment."""
        offset = item.offset if isinstance(item, Record) else -1
        heappush(self._entries, _Entry(at, place, offset, next(self._arrivals), item))

    @property
    def next(self) -> datetime | None:
        return self._entries[0].at if self._entries else None

    def take(self, most: int) -> tuple[datetime, list[Waiting]]:
        """Return the next moment and its items, at most so many."""
        at = self._entries[0].at
        items: list[Waiting] = []
        while self._entries and self._entries[0].at == at and len(items) < most:
            items.append(heappop(self._entries).item)
        return at, items


class Read:
    """When all records had been decided that were written up to a moment."""

    def __init__(self, records: Iterable[tuple[datetime, Record]]) -> None:
        by_time = sorted((record.written, at) for at, record in records)
        self._written = [written for written, _ in by_time]
        self._decided = list(accumulate((at for _, at in by_time), max))

    def when(self, at: datetime, slack: timedelta) -> datetime:
        """Return the first moment, not before `at`, by which all had been decided that were so much older than it."""
        while place := bisect_right(self._written, at - slack):
            if (decided := self._decided[place - 1]) <= at:
                break
            at = decided
        return at


def moments(
    records: Sequence[Record],
    told: Sequence[datetime | None],
    since: datetime,
    after: Sequence[datetime | None],
) -> Iterator[datetime]:
    """Yield the moment at which each record of one partition is decided, in order; `told` are those that are known.

    `since` is the moment of the last decision that is known: what is not decided yet came later. `after` are those of
    decisions that a record came after.
    """
    earliest: datetime | None = None
    for record, at, latest, before in zip(records, told, next_known(told), after, strict=True):
        moment = at
        if moment is None:
            moment = record.written if before is None else max(record.written, before + SOON)
            moment = max(moment if latest is None else min(moment, latest), since)
        if earliest is not None:
            moment = max(moment, earliest)
        earliest = moment
        yield moment


def places(moments: Sequence[datetime], own: Sequence[int]) -> Iterator[int]:
    """Yield the place of each record of one partition within its moment: not before the record before it (I5).

    `own` are the places that the topics tell, 0 where they do not: a parked record has published nothing.
    """
    before: tuple[datetime | None, int] = None, 0
    for at, place in zip(moments, own, strict=True):
        before = at, max(place, before[1]) if at == before[0] else place
        yield before[1]


def next_known(known: Sequence[datetime | None]) -> list[datetime | None]:
    """Return for each place the earliest known moment after it."""
    following: list[datetime | None] = []
    latest: datetime | None = None
    for at in reversed(known):
        following.append(latest)
        latest = at if latest is None or (at is not None and at < latest) else latest
    return following[::-1]

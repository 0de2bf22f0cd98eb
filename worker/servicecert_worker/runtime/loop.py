"""The loop: takes what is there from all sources, and turns it into effects.

Three kinds of things happen: records, results of acts, deadlines. A turn handles what is there of all of them. What is transient is tried again with
the same items; what is not is halved until the culprit stands alone, and that is parked.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from ..decider import Conflict, Due, Event, Examined, Facts, FactsInvalid, Result, Service
from ..faults import Outage, backoff, error_summary, is_transient
from ..kafka.source import Source
from .crash_points import crash_point
from .fold import Item, Stuck
from .record import Arrival, Poison, arrive
from .turn import Outcome

log = logging.getLogger(__name__)
S = TypeVar("S")
K = TypeVar("K")

_STUCK_SECONDS = 10.0
_GAP_SECONDS = 0.02
_FEW = 4

Take = Callable[[Sequence[Item], datetime], Awaitable[Outcome]]


class Loop(Generic[S, K]):
    """Takes turns with `take` until it is told to stop. `done` is given each turn's outcome; `settle` is called between two turns."""

    def __init__(
        self,
        service: Service[S, K],
        batch: int,
        take: Take,
        done: Callable[[Outcome, Sequence[Item]], None],
        settle: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self._service = service
        self._compacted = tuple(topic.name for topic in service.reads if topic.compacted)
        self._batch = batch
        self._take = take
        self._done = done
        self._settle = settle
        self._clock = clock
        self._results: deque[Result] = deque()
        self._given: deque[Due | Arrival] = deque()
        self._in_hand: set[UUID] = set()
        self._held: set[UUID] = set()
        self._wake = asyncio.Event()
        self._outage = Outage("PostgreSQL")
        self._refuted: FactsInvalid | None = None
        self.stuck = 0
        self.progressed = clock()

    @property
    def unavailable(self) -> str | None:
        """Why turns fail for now, where the reason is outside."""
        if self._refuted is not None:
            return str(self._refuted)
        return None if self._outage.since is None else "PostgreSQL is unavailable"

    @property
    def waiting(self) -> int:
        """How many results and deadlines wait for a turn."""
        return len(self._results) + len(self._given)

    def wake(self) -> None:
        """Says that there is something to take."""
        self._wake.set()

    def give_result(self, result: Result) -> None:
        """Takes in what came of an act."""
        self._results.append(result)
        self._wake.set()

    def give(self, items: Sequence[Due | Arrival]) -> None:
        """Takes in deadlines and released records; those that are in hand already are not taken twice."""
        for item in items:
            if item.id not in self._in_hand:
                self._in_hand.add(item.id)
                self._given.append(item)
        self._wake.set()

    async def finish(self, source: Source) -> None:
        """Takes the last turns: what came of acts, so that nobody does them again. Records are left to others."""
        while self._results:
            await self._round(source, records=0)

    async def run(self, source: Source, stopping: asyncio.Event) -> None:
        """Takes turns until `stopping` is set; the turn that is under way is finished."""
        pause = asyncio.get_running_loop().time
        last = 0.0
        while not stopping.is_set():
            await self._settle()
            if not (len(source) or self.waiting):
                self._wake.clear()
                await wait_any(self._wake, stopping)
                continue
            # A turn costs the same for one record as for some: under load they gather for a moment. What came of an act does not wait.
            if (gap := last + _GAP_SECONDS - pause()) > 0 and not self._results and len(source) < self._batch:
                await asyncio.sleep(gap)
            last = pause()
            await self._round(source, self._batch)
            self.progressed = self._clock()

    async def _round(self, source: Source, records: int) -> None:
        results = [self._results.popleft() for _ in range(min(self._batch, len(self._results)))]
        given = [self._given.popleft() for _ in range(min(self._batch, len(self._given)))]
        taken = source.take(records)
        crash_point("fetched")
        came = [item for item in given if isinstance(item, Arrival)] + [arrive(record) for record in taken]
        arrivals = [arrival for arrival in came if self._heeds(arrival)]
        crash_point("decoded")
        examined = await self._examine(arrivals)
        crash_point("examined")
        items: list[Item] = [*results, *(item for item in given if isinstance(item, Due)), *examined]
        await self._handle(items)
        source.handled(taken)
        crash_point("offsets")
        self._in_hand.difference_update({item.id for item in given} - self._held)

    def _heeds(self, arrival: Arrival) -> bool:
        """Whether an arrival is worth a turn. One that was parked is, so that it leaves its place.

        A record of a compacted topic without a value only says that something is gone (E3).
        """
        if arrival.parked is not None:
            return True
        if isinstance(arrival.what, Poison):
            record = arrival.record
            erases = record.value is None and record.key and record.topic.endswith(self._compacted)
            return not erases
        return self._service.is_relevant(arrival.what.data)

    async def _examine(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Facts for the events; an event that `examine` raises at is poison, in its place.

        Many are examined off the event loop. For a few the way to another thread and back would cost more than it frees.
        """
        examine = self._service.examine
        events = [arrival.what for arrival in arrivals if isinstance(arrival.what, Event)]
        if examine is None or not events:
            return list(arrivals)
        few = len(events) <= _FEW
        found = iter(_examined(examine, events) if few else await asyncio.to_thread(_examined, examine, events))
        return [
            Arrival(arrival.record, next(found), arrival.parked) if isinstance(arrival.what, Event) else arrival
            for arrival in arrivals
        ]

    async def _handle(self, items: Sequence[Item]) -> None:
        """Turns the items into effects, in order, whatever it takes."""
        if not items:
            return
        instead: dict[str, Facts] = {}
        async for _ in backoff():
            now = self._clock()
            try:
                outcome = await self._take(items, now)
            except Stuck as stuck:
                self._set_aside(stuck)
                items = [item for item in items if item.id != stuck.item.id]
                if not items:
                    return
            except FactsInvalid as refuted:
                self._tell_refuted(refuted)
                others, arrivals = _parted(items)
                if others:
                    # Only events can be examined anew, and these come after all else.
                    mended = [_with_facts_instead(item, refuted.replacements) for item in others]
                    anew = bool(arrivals) or mended != others
                    await (self._handle(mended) if anew else self._halve(others, refuted))
                    await self._handle(arrivals)
                    return
                instead |= refuted.replacements
                items = await self._examined_anew(arrivals, instead)
            except Exception as error:
                # Two items of one turn may be what conflicts: alone, each sees what the other stored.
                if is_transient(error) and not (isinstance(error, Conflict) and len(items) > 1):
                    self._outage.began(error)
                    continue
                await self._halve(items, error)
                return
            else:
                self._outage.ended()
                self._refuted = None
                self._done(outcome, items)
                return

    def _tell_refuted(self, refuted: FactsInvalid) -> None:
        if self._refuted is None:
            log.warning("Events are examined anew until a turn succeeds: %s", refuted)
        self._refuted = refuted

    async def _examined_anew(self, arrivals: Sequence[Arrival], instead: Mapping[str, Facts]) -> list[Item]:
        """The arrivals with what `examine` finds now about their events, or what holds instead."""
        found = iter(await self._examine([arrival for arrival in arrivals if arrival.key not in instead]))
        return [_with_facts(each, instead[each.key]) if each.key in instead else next(found) for each in arrivals]

    async def _halve(self, items: Sequence[Item], error: Exception) -> None:
        """Takes the items in smaller turns, to find the one that the database refuses, and put it aside, or until none conflict.

        Raises the error where no item can be to blame: a statement that the database does not understand or allow, or a record that cannot even be
        parked. The process ends then, before it parks what is good.
        """
        if isinstance(error, asyncpg.SyntaxOrAccessError):
            raise error
        if len(items) > 1:
            middle = len(items) // 2
            await self._handle(items[:middle])
            await self._handle(items[middle:])
            return
        (item,) = items
        if isinstance(item, Arrival):
            if isinstance(item.what, Poison):
                raise error
            log.error(
                "Storing what follows from a record raised %s; it is parked", error_summary(error), extra=_about(item)
            )
            poison = Poison(item.id, item.key, "storing-raised", f"Storing raised {error_summary(error)}.")
            await self._handle([Arrival(item.record, poison, item.parked)])
            return
        self._set_aside(Stuck(item, error))

    def _set_aside(self, stuck: Stuck) -> None:
        """Keeps a result or deadline open, and tries it again later: it is no record that could be parked."""
        self.stuck += 1
        log.error("%s cannot be decided (%s); it stays open", stuck.item.kind, error_summary(stuck.error))
        self._held.add(stuck.item.id)
        asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._try_again, stuck.item)

    def _try_again(self, item: Result | Due) -> None:
        self._held.discard(item.id)
        self._in_hand.discard(item.id)
        if isinstance(item, Result):
            self.give_result(item)
        else:
            self.give([item])


def _examined(examine: Callable[[Sequence[Event]], Sequence[Event]], events: Sequence[Event]) -> list[Event | Poison]:
    try:
        return list(examine(events))
    except Exception as error:
        if is_transient(error):
            raise
        if len(events) > 1:
            middle = len(events) // 2
            return _examined(examine, events[:middle]) + _examined(examine, events[middle:])
        log.error("Examining an event raised %s; it is parked", error_summary(error))
        return [Poison(events[0].id, events[0].key, "examine-raised", f"Examining raised {error_summary(error)}.")]


def _parted(items: Sequence[Item]) -> tuple[list[Item], list[Arrival]]:
    others: list[Item] = [item for item in items if not isinstance(item, Arrival)]
    return others, [item for item in items if isinstance(item, Arrival)]


def _with_facts_instead(item: Item, instead: Mapping[str, Facts]) -> Item:
    if isinstance(item, Result) and item.key in instead and isinstance(item.data, Examined):
        return replace(item, data=Examined(facts=instead[item.key]))
    return item


def _with_facts(arrival: Arrival, facts: Facts) -> Arrival:
    return replace(arrival, what=replace(arrival.what, facts=facts)) if isinstance(arrival.what, Event) else arrival


def _about(arrival: Arrival) -> dict[str, Any]:
    record = arrival.record
    return {
        "event_id": str(arrival.id),
        "key": arrival.key,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }


async def wait_any(*events: asyncio.Event) -> None:
    """Waits until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

"""The loop: takes what is waiting from all sources, and handles it in turns.

Items are records, results of intents, and deadlines; a turn handles what is waiting of each. After a transient error it
is retried with the same items. After a conflict or any other error its items are handled in smaller turns, until every
turn succeeds, or one failing item is left: a record is parked, a result or deadline is retried later.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from time import monotonic, time_ns
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg

from ..core.clock import ClockWrong
from ..core.crash_points import crash_point
from ..core.decider import Conflict, Due, Event, Examined, Facts, FactsInvalid, Result, Service
from ..core.faults import Outage, backoff, error_summary, is_transient
from ..core.fold import Item, Stuck, TurnResult
from ..core.record import Arrival, Junk, Poison, Record, are_few, arrive, is_relevant
from ..core.signatures import Verifier
from ..core.traces import Sampler, as_given
from ..kafka.gathering import MANY_PATIENT, PATIENT_SECONDS, Recent
from ..observe.logs import about

log = logging.getLogger(__name__)
S = TypeVar("S")
K = TypeVar("K")

_STUCK_SECONDS = 10.0
_GAP_SECONDS = 0.02


class Records(Protocol):
    """Where records come from."""

    def __len__(self) -> int: ...

    def take(self, limit: int) -> Sequence[Record]:
        """Return the next records, at most `limit`."""
        ...

    def handled(self, records: Sequence[Record]) -> None:
        """Note that the records are handled or parked."""
        ...


RunTurn = Callable[[Sequence[Item], datetime], Awaitable[TurnResult]]


@dataclass(eq=False)
class Loop(Generic[S, K]):
    """Takes turns with `run_turn` until stopped. `done` gets each turn's result; `recover` is called between turns.

    `require_clock` raises ClockWrong where no turn may be taken now. `progressed` is when the last turn ended, in
    monotonic seconds. `began` is when the last items were taken, in ns since 1970. `sampler` decides whether their
    traces are recorded.
    """

    service: Service[S, K]
    batch: int
    run_turn: RunTurn
    done: Callable[[TurnResult, Sequence[Item]], None]
    recover: Callable[[], Awaitable[None]]
    clock: Callable[[], datetime]
    verifier: Verifier
    sampler: Sampler = as_given
    require_clock: Callable[[], None] = lambda: None
    progressed: float = field(default_factory=monotonic, init=False)
    began: int = field(default_factory=time_ns, init=False)
    _results: deque[Result] = field(default_factory=deque, init=False)
    _gathering: list[Result] = field(default_factory=list, init=False)
    _recent: Recent = field(default_factory=Recent, init=False)
    _queued: deque[Due | Arrival] = field(default_factory=deque, init=False)
    _junk: Junk = field(default_factory=Junk, init=False)
    _in_progress: set[UUID] = field(default_factory=set, init=False)
    _postponed: set[UUID] = field(default_factory=set, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _outage: Outage = field(default_factory=lambda: Outage("PostgreSQL"), init=False)
    _invalid_facts: FactsInvalid | None = field(default=None, init=False)

    @cached_property
    def _compacted(self) -> frozenset[str]:
        return frozenset(self.verifier.prefix + topic.name for topic in self.service.reads if topic.compacted)

    @property
    def unavailable(self) -> str | None:
        """Why turns fail for now, if the cause is external."""
        if self._invalid_facts is not None:
            return str(self._invalid_facts)
        return None if self._outage.since is None else "PostgreSQL is unavailable"

    @property
    def waiting(self) -> int:
        return len(self._results) + len(self._gathering) + len(self._queued)

    @property
    def stuck(self) -> int:
        return len(self._postponed)

    def wake(self) -> None:
        """Wake the loop: there may be something to take."""
        self._wake.set()

    def give_result(self, result: Result, stored: bool = False) -> None:
        """Queue the result of an intent. If it is `stored` with its intent, many gather before a turn tells of them."""
        loop = asyncio.get_running_loop()
        are_many = stored and self._recent.with_more(1, loop.time()) >= MANY_PATIENT
        self._gathering.append(result)
        if not are_many or len(self._gathering) >= self.batch:
            self._end_gathering()
        elif len(self._gathering) == 1:
            loop.call_later(PATIENT_SECONDS, self._end_gathering)

    def _end_gathering(self) -> None:
        self._results.extend(self._gathering)
        self._gathering.clear()
        self._wake.set()

    def give(self, items: Sequence[Due | Arrival]) -> None:
        """Queue deadlines and released records, except those in progress."""
        for item in items:
            if item.id not in self._in_progress:
                self._in_progress.add(item.id)
                self._queued.append(item)
        self._wake.set()

    async def finish(self, source: Records) -> None:
        """Take the last turns, for results only, so that no other worker repeats their intents."""
        self._end_gathering()
        while self._results:
            await self.round(source, records=0)

    async def run(self, source: Records, stopping: asyncio.Event) -> None:
        """Take turns until `stopping` is set; finish the current turn."""
        last = 0.0
        while not stopping.is_set():
            await self.recover()
            if not (len(source) or self._results or self._queued):
                self._wake.clear()
                await wait_any(self._wake, stopping)
                continue
            # A turn costs the same for one record as for some, so records gather for a moment. Results do not wait.
            if (gap := last + _GAP_SECONDS - monotonic()) > 0 and not self._results and len(source) < self.batch:
                await asyncio.sleep(gap)
            last = monotonic()
            await self.round(source, self.batch)
            self.progressed = monotonic()

    async def round(self, source: Records, records: int) -> None:
        """Take what is there, of records at most so many, and handle it."""
        results = [self._results.popleft() for _ in range(min(self.batch, len(self._results)))]
        queued = [self._queued.popleft() for _ in range(min(self.batch, len(self._queued)))]
        taken = source.take(records)
        self.began = time_ns()
        crash_point("fetched")
        # Many or large ones in a thread: verifying a signature releases the interpreter.
        read = self._read(taken) if are_few(taken) else await asyncio.to_thread(self._read, taken)
        arrivals = [*(item for item in queued if isinstance(item, Arrival)), *read]
        relevant = [arrival for arrival in arrivals if self._is_relevant(arrival)]
        relevant = self._junk.joined(relevant, asyncio.get_running_loop().time())
        crash_point("decoded")
        examined = await self._examine(relevant)
        crash_point("examined")
        items: list[Item] = [*results, *(item for item in queued if isinstance(item, Due)), *examined]
        await self._handle(items)
        source.handled(taken)
        crash_point("offsets")
        self._in_progress.difference_update({item.id for item in queued} - self._postponed)

    def _read(self, records: Sequence[Record]) -> list[Arrival]:
        return [arrive(record, self.verifier, sampler=self.sampler) for record in records]

    def _is_relevant(self, arrival: Arrival) -> bool:
        return is_relevant(arrival, self.service.rules.is_relevant, self._compacted)

    async def _examine(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Return the arrivals with facts; an event that `examine` raises at becomes poison.

        Many, or large ones, are examined in a thread.
        """
        examine = self.service.rules.examine
        events = [arrival.what for arrival in arrivals if isinstance(arrival.what, Event)]
        if examine is None or not events:
            return list(arrivals)
        few = are_few([arrival.record for arrival in arrivals])
        examined = iter(_examined(examine, events) if few else await asyncio.to_thread(_examined, examine, events))
        return [
            Arrival(arrival.record, next(examined), arrival.parked) if isinstance(arrival.what, Event) else arrival
            for arrival in arrivals
        ]

    async def _handle(self, items: Sequence[Item]) -> None:
        """Take turns over the items, in order, until each is handled, parked or postponed."""
        if not items:
            return
        items, is_outdated = list(items), False
        known: dict[str, Facts] = {}
        async for _ in backoff():
            try:
                self.require_clock()
                if is_outdated:
                    others, arrivals = _split(items)
                    items, is_outdated = [*others, *await self._examine(arrivals)], False
                now = self.clock()
                with about(items[0]) if len(items) == 1 else nullcontext():
                    result = await self._mended_turn(items, now, known)
            except ClockWrong:
                # What was found by that clock is wrong, too.
                is_outdated = True
            except FactsInvalid as invalid:
                self._log_invalid_facts(invalid)
                others, arrivals = _split(items)
                if others:
                    # Only events can be examined again, and they come after everything else.
                    await (self._handle(others) if arrivals else self._halve(others, invalid))
                    await self._handle(arrivals)
                    return
                items = [_with_facts(each, known) for each in await self._examine(arrivals)]
            except Exception as error:
                # Two items of one turn may conflict with each other: alone, each sees what the other stored.
                if is_transient(error) and not (isinstance(error, Conflict) and len(items) > 1):
                    self._outage.began(error)
                    continue
                await self._halve(items, error)
                return
            else:
                self._outage.ended()
                self._invalid_facts = None
                self._postponed.difference_update(item.id for item in items)
                if result is not None:
                    self.done(result, items)
                return

    async def _mended_turn(self, items: list[Item], now: datetime, known: dict[str, Facts]) -> TurnResult | None:
        """Take a turn, at once again without each that is stuck, and with the facts that others have instead.

        `items` are then those of the turn, and `known` has those facts too. Return None if no item is left.
        """
        while items:
            try:
                return await self.run_turn(items, now)
            except Stuck as stuck:
                self._postpone(stuck)
                items[:] = [item for item in items if item.id != stuck.item.id]
            except FactsInvalid as invalid:
                known |= invalid.replacements
                replaced = [_with_facts(item, known) for item in items]
                if replaced == items:
                    raise
                items[:] = replaced
        return None

    def _log_invalid_facts(self, invalid: FactsInvalid) -> None:
        if self._invalid_facts is None:
            log.warning("Facts no longer hold; events are examined again until a turn succeeds: %s", invalid)
        self._invalid_facts = invalid

    async def _halve(self, items: Sequence[Item], error: Exception) -> None:
        """Handle the items in smaller turns until every turn succeeds, or one failing item is left.

        Raises the error if no item can be its cause: the database rejects a statement's syntax or rights, or a record
        cannot even be parked. The process then ends before it parks good records.
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
            summary = error_summary(error)
            text = f"Storing raised {summary}."
            poison = Poison(item.id, item.key, "storing-raised", text, summary, item.traceparent)
            await self._handle([Arrival(item.record, poison, item.parked)])
            return
        self._postpone(Stuck(item, error))

    def _postpone(self, stuck: Stuck) -> None:
        """Keep a result or deadline open, and retry it later: only records can be parked."""
        item = stuck.item
        fields = {"kind": item.kind, "key": item.key, "id": str(item.id), "error": error_summary(stuck.error)}
        with about(item):
            log.error("A result or deadline cannot be decided; it stays open and is retried every 10 s", extra=fields)
        self._postponed.add(item.id)
        asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._retry, item)

    def _retry(self, item: Result | Due) -> None:
        self._in_progress.discard(item.id)
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
        (event,), summary = events, error_summary(error)
        text = f"Examining raised {summary}."
        return [Poison(event.id, event.key, "examine-raised", text, summary, event.traceparent)]


def _split(items: Sequence[Item]) -> tuple[list[Item], list[Arrival]]:
    others: list[Item] = [item for item in items if not isinstance(item, Arrival)]
    return others, [item for item in items if isinstance(item, Arrival)]


def _with_facts(item: Item, known: Mapping[str, Facts]) -> Item:
    if (facts := known.get(item.key)) is None:
        return item
    if isinstance(item, Result):
        return replace(item, data=Examined(facts=facts)) if isinstance(item.data, Examined) else item
    if isinstance(item, Arrival) and isinstance(item.what, Event):
        return replace(item, what=replace(item.what, facts=facts))
    return item


async def wait_any(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

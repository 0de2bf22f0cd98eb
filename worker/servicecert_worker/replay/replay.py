"""Decides a service's records again, in the turns in which they were decided first, and stores what follows.

The runtime is the workers': the loop, the turns, the inbox. Different are the clock, which shows the moment of each
turn; the facts and results, which are those of then as far as the topics tell; and the outbox, where nothing stays that
is published. What nobody can tell stays an intent, which the first worker does.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from asyncpg import Pool
from asyncpg import Record as Row
from servicecert_schemas.codec import stored
from servicecert_schemas.operators import RecordParked

from ..core.clock import machine_clock
from ..core.decider import Done, Due, Event, FactsInvalid, Result, Service, Task
from ..core.fold import Item, ParkedArrival, TurnResult
from ..core.published import PublishedEvents
from ..core.record import Arrival, Record, arrive
from ..core.signatures import Verifier
from ..runtime.effects import NOBODY, result_of, task_of
from ..runtime.loop import Loop
from ..runtime.parking import notice_id, parked_of
from ..runtime.turn import Turns
from ..storage import QUERIES
from .agreement import Agreement, Difference
from .as_then import AsThen, TooEarly
from .fates import Fates
from .order import SOON, Agenda, Read, Release, Waiting, moments, places
from .untold import Untold

log = logging.getLogger(__name__)
S = TypeVar("S")
K = TypeVar("K")

_MOST = 500


class RecallRefutedError(Exception):
    """The facts of then do not hold in these tables."""


class ReplayClock:
    """A clock that shows the moment of the turn that is replayed; before the first one, the machine's."""

    def __init__(self) -> None:
        self.now = machine_clock()

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class Replayed:
    """What a replay did: turns, records by outcome, results told by the topics, intents left to the workers.

    `stuck` are results and deadlines that `decide` raises at, `unpublished` events that the topics do not have,
    `differs` those that they have and that were decided otherwise now.
    """

    turns: int = 0
    handled: int = 0
    repeated: int = 0
    parked: int = 0
    stuck: int = 0
    recalled: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    unpublished: Counter[str] = field(default_factory=Counter)
    differs: tuple[Difference, ...] = ()


class Replay(Generic[S, K]):
    """Replays for one service. `clock` is the one that the service was opened with, `known` its snapshot of topics.

    `turns` makes those of a service.
    """

    def __init__(
        self,
        service: Service[S, K],
        pool: Pool[Any],
        turns: Callable[[Service[S, K]], Turns[S, K]],
        verifier: Verifier,
        clock: ReplayClock,
        known: K,
        published: PublishedEvents,
        expected: Collection[UUID] = (),
    ) -> None:
        self._service = service
        self._pool = pool
        self._verifier = verifier
        self._clock = clock
        self._at = datetime.fromtimestamp(0, UTC)
        self._known = known
        self._published = published
        self._agreement = Agreement(service, published, expected)
        self._agenda = Agenda()
        self._read = Read(())
        self._fates = Fates(
            published, [kind for kind, effect in service.effects.items() if effect.announce is not None]
        )
        self._untold = Untold()
        self._as_then = AsThen(service, published, self._fates, self._untold)
        replayed = replace(
            service, rules=replace(service.rules, examine=self._as_then.examine, decide=self._as_then.decide)
        )
        self._turns = turns(replayed)
        self._end = self._at
        self._awaited: set[UUID] = set()
        self._records = _Records()
        self._loop: Loop[S, K] = Loop(
            replayed,
            _MOST,
            self._run_turn,
            self._after_turn,
            _nothing_to_recover,
            clock,
            verifier,
        )
        self._done: list[tuple[TurnResult, Sequence[Item]]] = []
        self.replayed = Replayed()

    async def run(self, partitions: Iterable[Sequence[Record]]) -> Replayed:
        """Replay the records of each partition, and all results and deadlines up to the last moment known.

        Raises database errors. A result or deadline that `decide` raises at stays open, as with a worker.
        """
        # First: an interrupted replay has decided more than it can read the announcements of.
        await self._keep_books()
        self._at = await self._pool.fetchval(QUERIES["newest"]) or self._at
        read = [[self._read_record(record) for record in records] for records in partitions]
        ids = [id for records in read for _, id, _ in records]
        known = await self._pool.fetch(QUERIES["known_inputs"], ids)
        first = self._fates.first_copies(row["event_id"] for row in known)
        self._end = max((event.time for event in self._published), default=self._at)
        told = [[first(id) for _, id, _ in records] for records in read]
        # A turn that was taken before the last one that the tables know may have been committed after it.
        since = min((at for each in told for at in each if at is not None), default=self._at)
        since = min(since, self._at)
        placed = [each for records, at in zip(read, told, strict=True) for each in self._placed(records, at, since)]
        self._read = Read((at, record) for at, record, _ in placed)
        for at, record, place in placed:
            self._agenda.add(at, record, place)
        await self._recall_open()
        while await self._step():
            pass
        await self._keep_books()
        self.replayed.stuck = self._loop.stuck
        self.replayed.differs = tuple(await self._agreement.differences(self._pool))
        return self.replayed

    def _read_record(self, record: Record) -> tuple[Record, UUID, datetime | None]:
        """Return a record, its id, and the moment of a decision that it came after, if that is known."""
        what = arrive(record, self._verifier).what
        after = self._service.recall.decided_after(what.data, self._published) if isinstance(what, Event) else None
        return record, what.id, after

    def _placed(
        self,
        read: Sequence[tuple[Record, UUID, datetime | None]],
        told: Sequence[datetime | None],
        since: datetime,
    ) -> list[tuple[datetime, Record, int]]:
        """Return the records of a partition, each with its moment and its place. Note those of which nothing tells."""
        records, ids = [record for record, _, _ in read], [id for _, id, _ in read]
        self._untold.note(records, ids, told, self._end + SOON)
        at = list(moments(records, told, since, [after for _, _, after in read]))
        return list(zip(at, records, places(at, list(map(self._published.place_of, ids))), strict=True))

    async def _step(self) -> bool:
        """Take the next turn. Return False after the last one."""
        await self._add_due(self._agenda.next or self._end)
        if self._agenda.next is None:
            return False
        self._at, items = self._agenda.take(_MOST)
        self._clock.now = self._at
        await self._take_turn([item for item in items if not self._is_moved(item)])
        for result, decided in self._done:
            await self._follow(result, decided)
        self._done.clear()
        return True

    async def _take_turn(self, items: Sequence[Waiting]) -> None:
        for item in items:
            if isinstance(item, Result):
                self._loop.give_result(item)
            elif isinstance(item, Due):
                self._loop.give([item])
            elif isinstance(item, Release):
                async with self._pool.acquire() as connection:
                    self._loop.give(await parked_of(connection, item.key, self._verifier))
        self._records.waiting.extend(item for item in items if isinstance(item, Record))
        await self._loop.round(self._records, _MOST)
        self.replayed.turns += 1

    async def _add_due(self, until: datetime) -> None:
        """Add the deadlines that were due, each when it was decided."""
        for row in await self._pool.fetch(QUERIES["due_others"], until, self._awaited):
            due = _due(row)
            self._awaited.add(due.id)
            at = self._published.decided_at(due.id)
            if at is None:
                at = max(due.at, self._at)
                slack = self._service.deadlines.wait_for_topics.get(due.kind)
                if slack is not None and (read := self._read.when(at, slack)) > at:
                    at = read + SOON
            self._agenda.add(max(at, self._at), due)

    async def _add_decided(self, keys: Collection[str]) -> None:
        """Add the keys' deadlines that are known to have been decided, also before they are due: one was moved then."""
        keys = [key for key in keys if self._published.of(key)]
        for row in await self._pool.fetch(QUERIES["deadlines_of"], keys, self._awaited) if keys else ():
            if (at := self._published.decided_at(row["id"])) is not None:
                self._awaited.add(row["id"])
                self._agenda.add(max(at, self._at), _due(row))

    async def _recall_open(self) -> None:
        """Recall what came of all that was open at the beginning: intents, parked records, events to publish."""
        rows = await self._pool.fetch("select id, key, kind, data, traceparent, since, result from intents")
        await self._recall([task_of(self._service.effects, row) for row in rows])
        await self._add_decided({event.data.key() for event in self._published})
        for row in await self._pool.fetch("select event_id, key, attempts from parked order by seq"):
            self._release(row["event_id"], row["key"], row["attempts"])
        rows = await self._pool.fetch("select event_id, type, payload, at from outbox")
        await self._drop(
            [
                row["event_id"]
                for row in rows
                if self._published.is_superfluous(row["event_id"], stored(row["type"], row["payload"]), row["at"])
            ]
        )

    def _release(self, id: UUID, key: str, attempts: int) -> None:
        """Release a parked record when events tell that it was released: else a worker would decide it anew."""
        if (at := self._fates.released_at(id, attempts)) is not None:
            self._agenda.add(max(at, self._at), Release(key))

    async def _follow(self, result: TurnResult, items: Sequence[Item]) -> None:
        """Recall what came of a turn's intents, and drop its events that are published."""
        self.replayed.repeated += len(result.repeated)
        handled = [each for each in result.decided if isinstance(each.item, Arrival) and each.parked is None]
        self.replayed.handled += len(handled)
        self.replayed.parked += len(result.parked)
        notices = [notice_id(each.arrival.id, _attempts(each)) for each in result.parked]
        superfluous = [id for id in notices if id in self._published]
        if unpublished := len(notices) - len(superfluous):
            self.replayed.unpublished[RecordParked.TYPE] += unpublished
        for decided in result.decided:
            for event in decided.published:
                if self._agreement.note(event, self._at):
                    superfluous.append(event.id)
                else:
                    self.replayed.unpublished[event.data.TYPE] += 1
        await self._drop(superfluous)
        await self._recall(result.tasks)
        for each in result.parked:
            self._release(each.arrival.id, each.arrival.key, _attempts(each))
        self._awaited.difference_update(item.id for item in items)
        await self._add_decided({each.item.key for each in result.decided if each.deadlines})

    async def _recall(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            data = self._service.recall.result(task, self._published)
            effect = self._service.effects[task.kind]
            if data is None and effect.repeatable:
                (outcome,) = await effect.do([task])
                data = outcome.data if isinstance(outcome, Done) else None
            elif data is not None:
                self.replayed.recalled[task.kind] += 1
            if data is None:
                self.replayed.left[task.kind] += 1
                continue
            at = self._published.decided_at(task.id) or max(task.since, self._at) + SOON
            self._agenda.add(max(at, self._at), result_of(task, data))

    async def _keep_books(self) -> None:
        if (books := self._service.recall.books) is not None:
            async with self._pool.acquire() as connection, connection.transaction():
                await books(connection, self._published)

    async def _drop(self, ids: Sequence[UUID]) -> None:
        if ids:
            await self._pool.execute("delete from outbox where event_id = any($1::uuid[])", ids)

    def _is_moved(self, item: Waiting) -> bool:
        """Move a record to the last moment by which it was decided, if one before it was moved. Return whether."""
        moment = self._untold.moved_to(item, self._at) if isinstance(item, Record) else None
        if moment is None:
            return False
        self._agenda.add(moment, item)
        return True

    async def _run_turn(self, items: Sequence[Item], now: datetime) -> TurnResult:
        try:
            return await self._turns.take(items, self._known, now, NOBODY, "")
        except TooEarly as early:
            records = [item.record for item in items if isinstance(item, Arrival)]
            copies = (item.record for item in items if isinstance(item, Arrival) and item.id == early.id)
            self._untold.is_late(next(record for record in copies if self._untold.has(record)))
            moved = {id(record) for record in records if self._is_moved(record)}
            rest = [item for item in items if not (isinstance(item, Arrival) and id(item.record) in moved)]
            return await self._run_turn(rest, now) if rest else TurnResult((), NOBODY, frozenset(), (), ())
        except FactsInvalid as invalid:
            if not self._as_then.are_recalled(item.id for item in items):
                raise
            # The facts of then are what they are: the record that they do not hold for is parked.
            raise RecallRefutedError(str(invalid)) from invalid

    def _after_turn(self, result: TurnResult, items: Sequence[Item]) -> None:
        self._done.append((result, items))


class _Records:
    """The records of the next turn, as the loop takes them."""

    def __init__(self) -> None:
        self.waiting: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self.waiting)

    def take(self, limit: int) -> list[Record]:
        return [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]

    def handled(self, records: Sequence[Record]) -> None:
        """Nothing is committed: the group's offsets are the workers'."""


def _attempts(parked: ParkedArrival) -> int:
    before = parked.arrival.parked
    return 1 if before is None else before.attempts + 1


def _due(row: Row) -> Due:
    return Due(row["id"], row["key"], row["kind"], row["at"], row["traceparent"])


async def _nothing_to_recover() -> None:
    """A replay has no intents of its own."""

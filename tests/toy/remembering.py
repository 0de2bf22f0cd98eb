"""A service whose whole course can be told from what it publishes, and one run of it, for replays.

The reason of an `ApplicationWithdrawn` says what happens: `loud-1` draws a number, publishes it, does an act and sets a
deadline that publishes; `quiet-1` does the same without a word; `view-1` publishes a view that a later one replaces;
`lost-1` cannot be answered until the service is `mended`. States hold the moments of what is published, in its order,
and how often something else happened: when that was, nothing tells.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
from identities import any_signer
from pydantic import BaseModel
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateVoided, IssuingRefused
from servicecert_schemas.codec import stored, to_record
from servicecert_schemas.topics import APPLICATIONS
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import (
    Deadline,
    Decision,
    Done,
    Due,
    Effect,
    Event,
    Facts,
    FactsInvalid,
    Happened,
    Intent,
    Outcome,
    Recall,
    Result,
    Rules,
    Service,
    Tables,
    Task,
    Unanswerable,
)
from servicecert_worker.core.fold import Item
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.replay.replay import Replay, ReplayClock, Replayed
from servicecert_worker.runtime.effects import result_of
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.parking import parked_of
from servicecert_worker.runtime.turn import TurnResult, Turns
from services.handler import example

from toy.service import NO_TEXTS, Tally, TallyStore
from toy.stand import ACTOR

Pool: TypeAlias = "asyncpg.Pool[Any]"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TRUSTING = Verifier({})
OWNER = 7


@dataclass(frozen=True, slots=True)
class Drawn(Facts):
    """A number that `examine` drew. Those that five divides are in use."""

    number: int


class Act(BaseModel):
    """What to do, and in the result, what came of it."""

    text: str
    signature: int = 0


@dataclass
class Remembering:
    """The service. `mended` answers what it could not answer; `acts` are what it did."""

    mended: bool = False
    drawn: Callable[[], int] = field(default=lambda: random.randrange(1, 10**6))
    acts: list[str] = field(default_factory=list)

    def service(self, **changes: Any) -> Service[Tally, None]:
        made: Service[Tally, None] = Service(
            "issuer",
            (APPLICATIONS,),
            Rules(self.decide, examine=self.examine),
            Tables(TallyStore()),
            effects={"sign": Effect(Act, self._sign), "look": Effect(Act, self._look, repeatable=True)},
            recall=Recall(facts=recalled_facts, result=recalled_result),
        )
        return replace(made, **changes)

    def examine(self, events: Sequence[Event]) -> Sequence[Event]:
        return [replace(event, facts=Drawn(self.drawn())) for event in events]

    async def _sign(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        self.acts += [task.data.text for task in tasks]
        return [Done(Act(text=task.data.text, signature=self.drawn())) for task in tasks]

    async def _look(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [Done(task.data) for task in tasks]

    def decide(self, state: Tally | None, happened: Happened, known: None, now: datetime) -> Decision[Tally]:
        match happened:
            case Event(data=ApplicationWithdrawn() as data, facts=Drawn(number)):
                return self._event(state or Tally(happened.key), data, number, now)
            case Result(kind="sign", data=Act() as act) if state is not None:
                voided = CertificateVoided(
                    case_id=happened.key,
                    issuer="toy",
                    serial="01",
                    serial_decimal="1",
                    code=f"{act.text}-{act.signature}",
                )
                return Decision(_acted(state, f"{act.text}-{act.signature} {now}"), events=(voided,))
            case Result(data=Act()) if state is not None:
                return Decision(replace(state, woken=state.woken + 100))
            case Due(kind="ring") if state is not None:
                return Decision(_acted(state, f"rung {now}"), events=(_refused(happened.key, "rung"),))
            case Due() if state is not None:
                return Decision(replace(state, woken=state.woken + 1))
        raise AssertionError(f"unexpected {happened}")

    def _event(self, state: Tally, data: ApplicationWithdrawn, number: int, now: datetime) -> Decision[Tally]:
        text = data.reason or ""
        kind = text.partition("-")[0]
        if kind == "lost" and not self.mended:
            raise Unanswerable("nobody", "Nobody is there.")
        if kind == "view":
            # A view replaces one of a lower version only.
            version = len(state.numbers) + 1
            view = example(CaseChanged, case_id=data.case_id, state=CaseState.ISSUED, version=version)
            return Decision(replace(state, numbers=(*state.numbers, text)), events=(view,))
        if kind == "quiet":
            after = replace(state, numbers=(*state.numbers, text))
            wake = Deadline("wake", now + timedelta(seconds=0.2))
            return Decision(after, intents=(Intent("look", Act(text=text)),), deadlines=(wake,))
        if number % 5 == 0:
            raise FactsInvalid("The number is in use.")
        return Decision(
            replace(state, numbers=(*state.numbers, f"{text}-{number} {now}")),
            events=(_refused(str(data.case_id), f"{text}-{number}"),),
            intents=(Intent("sign", Act(text=text)),),
            deadlines=(Deadline("ring", now + timedelta(seconds=0.3)),),
        )


def _acted(state: Tally, text: str) -> Tally:
    return replace(state, acted=(*state.acted, text))


def _refused(key: str, code: str) -> IssuingRefused:
    return IssuingRefused(case_id=UUID(key), code=code, texts=NO_TEXTS)


def recalled_facts(event: Event, published: PublishedEvents) -> Facts | None:
    assert isinstance(event.data, ApplicationWithdrawn)
    for each in published.of(event.key):
        if isinstance(each.data, IssuingRefused) and each.data.code.startswith(f"{event.data.reason}-"):
            return Drawn(int(each.data.code.rpartition("-")[2]))
    return None


def recalled_result(task: Task, published: PublishedEvents) -> BaseModel | None:
    for each in published.of(task.key):
        if isinstance(each.data, CertificateVoided) and each.data.code.startswith(f"{task.data.text}-"):
            return Act(text=task.data.text, signature=int(each.data.code.rpartition("-")[2]))
    return None


def record(
    case: UUID, text: str, offset: int, written: datetime, *, partition: int = 0, id: UUID | None = None
) -> Record:
    data = ApplicationWithdrawn(case_id=case, actor=ACTOR, reason=text)
    made = to_record(data, source="/e-service", id=id or uuid4(), time=written)
    return Record(made.topic, partition, offset, made.key, made.headers, made.value, written)


@dataclass(frozen=True)
class Taken:
    """A turn as it was committed. `mended` is how the service was then."""

    items: Sequence[Item]
    now: datetime
    mended: bool


class Course:
    """A service at work, step by step, on a pool; what it publishes is in `published` once it is `relayed`."""

    def __init__(self, pool: Pool, service: Remembering) -> None:
        self.now = NOW
        self.taken: list[Taken] = []
        self.published: list[PublishedEvent] = []
        self.tasks: list[Task] = []
        self.read: list[Record] = []
        self._pool = pool
        self._remembering = service
        self._service = service.service()
        self._chain = Chain("issuer", {}, os.urandom)
        self._turns = Turns(self._service, pool, self._chain, any_signer("issuer"))
        self._loop: Loop[Tally, None] = Loop(
            self._service, 100, self._take, self._done, _nothing, lambda: self.now, TRUSTING
        )
        self._waiting: list[Record] = []

    async def step(self, records: Sequence[Record] = (), *, results: Sequence[Task] = (), release: str = "") -> None:
        """Take a turn now: what is due, these records, the results of these tasks, the records of a released key."""
        for task in results:
            (outcome,) = await self._service.effects[task.kind].do([task])
            assert isinstance(outcome, Done)
            self._loop.give_result(result_of(task, outcome.data))
        self.tasks = [task for task in self.tasks if task not in results]
        async with self._pool.acquire() as connection:
            rows = await connection.fetch("select * from deadlines where at <= $1 order by at, id", self.now)
            self._loop.give([Due(row["id"], row["key"], row["kind"], row["at"], row["traceparent"]) for row in rows])
            if release:
                self._loop.give(await parked_of(connection, release, TRUSTING))
        self._waiting += records
        self.read += records
        await self._loop.round(self, len(self._waiting))

    async def relay(self) -> None:
        """Publish what is in the outbox."""
        for row in await self._pool.fetch("delete from outbox returning id, event_id, type, payload, at"):
            data = stored(row["type"], row["payload"])
            self.published.append(PublishedEvent(row["event_id"], data, row["at"], row["id"]))

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, limit: int) -> list[Record]:
        taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return taken

    def handled(self, records: Sequence[Record]) -> None: ...

    async def _take(self, items: Sequence[Item], now: datetime) -> TurnResult:
        if not self._chain.begun:
            await self._chain.begin(self._pool, datetime.now(UTC))
        return await self._turns.take(items, None, now, OWNER, "")

    def _done(self, result: TurnResult, items: Sequence[Item]) -> None:
        self.taken.append(Taken(items, self.now, self._remembering.mended))
        self.tasks += result.tasks


async def _nothing() -> None: ...


async def restored(pool: Pool, taken: Sequence[Taken], published: PublishedEvents) -> None:
    """Bring empty tables to where they were after these turns; the last one's events are not relayed yet."""
    remembering = Remembering()
    chain = Chain("issuer", {}, os.urandom)
    await chain.begin(pool, datetime.now(UTC))
    turns = Turns(remembering.service(), pool, chain, any_signer("issuer"))
    for turn in taken:
        await pool.execute("delete from outbox where event_id = any($1::uuid[])", [each.id for each in published])
        remembering.mended = turn.mended
        await turns.take(turn.items, None, turn.now, OWNER, "")


class Interrupted(BaseException):
    """The end of a process."""


class Limited(Turns[Tally, None]):
    """Turns that end after so many, before or after the last one's commit."""

    left: float = float("inf")
    commits: bool = True

    async def take(self, items: Sequence[Item], known: None, now: datetime, owner: int, wake: str) -> TurnResult:
        self.left -= 1
        if self.left < 0 and not self.commits:
            raise Interrupted
        result = await super().take(items, known, now, owner, wake)
        if self.left < 0:
            raise Interrupted
        return result


async def replayed(
    pool: Pool,
    service: Service[Tally, None],
    partitions: Sequence[Sequence[Record]],
    published: PublishedEvents,
    *,
    most: float = float("inf"),
    commits: bool = True,
    expected: Collection[UUID] = (),
) -> Replayed:
    """Replay as `servicecert restore apply` does. Raises Interrupted in the turn after the first `most`."""
    chain = Chain("issuer", {}, os.urandom)
    await chain.begin(pool, datetime.now(UTC))

    def turns(replayed: Service[Tally, None]) -> Turns[Tally, None]:
        limited = Limited(replayed, pool, chain, any_signer("issuer"))
        limited.left, limited.commits = most, commits
        return limited

    return await Replay(service, pool, turns, TRUSTING, ReplayClock(), None, published, expected).run(partitions)


async def tables(pool: Pool) -> dict[str, Any]:
    """Return what is in the tables, in an order of its own."""
    queries = {
        "tally": "select key, body from tally",
        "inbox": "select event_id from inbox",
        "intents": "select id, key, kind, data, traceparent, since from intents",
        "deadlines": "select id, key, kind, at, traceparent from deadlines",
        "parked": 'select event_id, key, topic, partition, "offset", value, culprit, reason, error, attempts, first_at,'
        " last_at, released, rank() over (partition by key order by seq) from parked",
        "outbox": "select event_id, topic, key, payload, traceparent, at from outbox",
    }
    return {name: sorted(map(repr, await pool.fetch(query))) for name, query in queries.items()}

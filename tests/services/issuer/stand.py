"""An issuer without Kafka: its turns on a real database, its acts when a test says so. A new stand on the same database is a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
from servicecert_issuer.domain.decide import EXAMINE, SIGN, Decide, belated, is_relevant
from servicecert_issuer.domain.examine import Examine, IssuingContext
from servicecert_issuer.domain.issuance import SigningOrder, State
from servicecert_issuer.effects.sign import ExamineAnew, Sign
from servicecert_issuer.storage.prepare import prepare
from servicecert_issuer.storage.store import CertificateStore, on_record
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted
from servicecert_schemas.codec import to_record
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.audit.chain import Chain
from servicecert_worker.decider import Done, Due, Effect, Event, Result, Service, Stored, Task
from servicecert_worker.runtime.fold import Item
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.record import Arrival, Record
from servicecert_worker.runtime.turn import Outcome, Turns

Pool: TypeAlias = "asyncpg.Pool[Any]"
OWNER = 7


@dataclass
class Stand:
    """`now` is the issuer's clock, `fault` what is wrong with it, `tasks` the acts that are decided and not done yet,
    `outcomes` what its turns did."""

    pool: Pool
    issuing: IssuingContext
    keys: Mapping[str, SigningKey]
    random: Callable[[int], bytes] | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    fault: str | None = None
    tasks: list[Task] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = count(1)
        random = self.random or (lambda octets: next(numbers).to_bytes(octets))
        examine = Examine(self.issuing, random, lambda: self.now, lambda: self.fault)
        sign = Sign(
            self.issuing.authority, self.keys, lambda: self.now, lambda: self.fault, partial(on_record, self.pool)
        )
        self.service: Service[State, None] = Service(
            "issuer",
            (ACCEPTED_APPLICATIONS,),
            CertificateStore(),
            Decide(timedelta(days=7)),
            examine,
            is_relevant,
            effects={SIGN: Effect(SigningOrder, sign), EXAMINE: Effect(ApplicationAccepted, ExamineAnew(examine))},
            prepare=prepare,
            belated=belated,
        )
        self.chain = Chain("issuer", {}, os.urandom)
        self.turns = Turns(self.service, self.pool, self.chain)
        self.loop: Loop[State, None] = Loop(self.service, 100, self._take, self._done, self._settle, lambda: self.now)

    async def _take(self, items: Sequence[Item], now: datetime) -> Outcome:
        if not self.chain.begun:
            await self.chain.begin(self.pool, now)
        return await self.turns.take(items, None, now, OWNER, "")

    def _done(self, outcome: Outcome, _: Sequence[Item]) -> None:
        self.tasks += outcome.tasks
        self.outcomes.append(outcome)

    async def _settle(self) -> None:
        """What a turn intended whose answer was lost is adopted by whoever comes next."""

    async def happen(
        self, *happened: ApplicationAccepted | AcceptedWithdrawn | KeyCompromised | Event | Due | Result
    ) -> None:
        """Takes a turn over all of it."""
        for each in happened:
            if isinstance(each, Result):
                self.loop.give_result(each)
            else:
                self.loop.give([each if isinstance(each, Due) else _arrival(each)])
        await self.loop._round(_NoSource(), 0)

    async def act(self) -> list[Result]:
        """Does what is to be done, once; what cannot be done stays."""
        tasks, self.tasks = self.tasks, []
        results = []
        for task in tasks:
            (outcome,) = await self.service.effects[task.kind].do([task])
            if isinstance(outcome, Done):
                results.append(Result(task.id, task.key, task.kind, outcome.data))
            else:
                self.tasks.append(replace(task, tries=task.tries + 1))
        return results

    async def issue(self, *applications: ApplicationAccepted) -> None:
        """The whole way of some applications, as far as it goes now."""
        await self.happen(*applications)
        await self.finish()

    async def finish(self) -> None:
        """Does what is open, and takes in what came of it."""
        if results := await self.act():
            await self.happen(*results)

    async def adopt(self) -> None:
        """Takes over what a dead issuer left."""
        for row in await self.pool.fetch("select id, key, kind, data, since from intents order by since"):
            data = self.service.effects[row["kind"]].data.model_validate_json(row["data"])
            self.tasks.append(Task(row["id"], row["key"], row["kind"], data, row["since"]))

    async def state(self, case_id: UUID | str) -> State | None:
        async with self.pool.acquire() as connection:
            found: Sequence[Stored[State]] = await self.service.store.load(connection, [str(case_id)])
        return found[0].state if found else None

    async def told(self) -> list[str]:
        """The last words of the types of the events that were decided, in order."""
        rows = await self.pool.fetch("select type from outbox order by id")
        return [row["type"].removesuffix(".v1").rpartition(".")[2] for row in rows]

    async def intents(self) -> int:
        found: int = await self.pool.fetchval("select count(*) from intents")
        return found

    async def parked(self) -> int:
        found: int = await self.pool.fetchval("select count(*) from parked")
        return found


class _NoSource:
    """Nothing comes from topics."""

    def take(self, _: int) -> list[Record]:
        return []

    def handled(self, _: Sequence[Record]) -> None:
        pass


def _arrival(what: ApplicationAccepted | AcceptedWithdrawn | KeyCompromised | Event) -> Arrival:
    event = what if isinstance(what, Event) else Event(uuid4(), what.key(), what, datetime.now(UTC))
    made = to_record(event.data, source="/intake", id=event.id, time=event.time)
    record = Record(made.topic, 0, 0, made.key, made.headers, made.value, event.time)
    return Arrival(record, event)

"""An issuer without Kafka, on a real database; intents are done on request. A second harness is a restart."""

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
from identities import InMemory, Writers, any_signer
from servicecert_issuer.domain.act import check_order
from servicecert_issuer.domain.decide import EXAMINE, HANDLERS, SIGN, Decide, late_result_code
from servicecert_issuer.domain.examine import Examine, IssuingContext
from servicecert_issuer.domain.issuance import Intended, Signed, SigningOrder, State
from servicecert_issuer.effects.accepted import AcceptedApplications
from servicecert_issuer.effects.sign import ExamineStopped, Sign
from servicecert_issuer.storage.prepare import prepare
from servicecert_issuer.storage.store import CertificateStore, states
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted
from servicecert_schemas.codec import to_record
from servicecert_schemas.revocation import KeyCompromised
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import Done, Due, Effect, Event, Result, Rules, Service, Stored, Tables, Task
from servicecert_worker.core.fold import Item
from servicecert_worker.core.record import Arrival, Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.core.signed_record import SignedRecord
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.turn import TurnResult, Turns

Pool: TypeAlias = "asyncpg.Pool[Any]"
OWNER = 7
WRITERS = InMemory()
"""The services whose keys the issuers pin."""


@dataclass
class IssuerHarness:
    """`now` is the issuer's clock, `tasks` the open intents, `outcomes` those of its turns.

    `topic` has what the topic of accepted applications has, `read` is how often it was read.
    """

    pool: Pool
    context: IssuingContext
    keys: Mapping[str, SigningKey]
    random: Callable[[int], bytes] | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    tasks: list[Task] = field(default_factory=list)
    outcomes: list[TurnResult] = field(default_factory=list)
    verifier: Verifier = WRITERS.verifier
    topic: list[Record] = field(default_factory=list)
    read: int = 0

    def __post_init__(self) -> None:
        numbers = count(1)
        random = self.random or (lambda octets: next(numbers).to_bytes(octets))
        examine = Examine(self.context, random, lambda: self.now, lambda *_: None)
        accepted = AcceptedApplications(self.verifier, self._read_topic)
        self.sign = Sign(
            self.context,
            self.keys,
            lambda: self.now,
            partial(states, self.pool),
            accepted,
        )
        examine_stopped = ExamineStopped(examine, partial(states, self.pool), accepted, self.sign.refused)
        self.service: Service[State, None] = Service(
            "issuer",
            (ACCEPTED_APPLICATIONS,),
            Rules(Decide(timedelta(days=7)), examine, HANDLERS, late_result_code=late_result_code),
            Tables(CertificateStore(), prepare=prepare),
            effects={SIGN: Effect(SigningOrder, self.sign), EXAMINE: Effect(ApplicationAccepted, examine_stopped)},
        )
        self.chain = Chain("issuer", {}, os.urandom)
        self.turns = Turns(self.service, self.pool, self.chain, any_signer("issuer"))
        self.loop: Loop[State, None] = Loop(
            self.service,
            100,
            self._take,
            self._done,
            self._settle,
            lambda: self.now,
            Verifier({}),
        )

    async def _read_topic(self, take: Callable[[Record], None]) -> None:
        self.read += 1
        for record in self.topic:
            take(record)

    async def _take(self, items: Sequence[Item], now: datetime) -> TurnResult:
        if not self.chain.begun:
            await self.chain.begin(self.pool, now)
        return await self.turns.take(items, None, now, OWNER, "")

    def _done(self, outcome: TurnResult, _: Sequence[Item]) -> None:
        self.tasks += outcome.tasks
        self.outcomes.append(outcome)

    async def _settle(self) -> None:
        """Intents of a turn with a lost answer are adopted later."""

    async def happen(
        self, *happened: ApplicationAccepted | AcceptedWithdrawn | KeyCompromised | Event | Due | Result
    ) -> None:
        """Handle all of it in one turn."""
        for each in happened:
            if isinstance(each, Result):
                self.loop.give_result(each)
            else:
                self.loop.give([each if isinstance(each, Due) else _arrival(each)])
        await self.loop.round(_NoSource(), 0)

    async def act(self) -> list[Result]:
        """Do the open intents once. Those to be retried stay open."""
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
        """Handle applications, and do their intents once."""
        await self.happen(*applications)
        await self.finish()

    async def finish(self) -> None:
        """Do the open intents, and handle their results."""
        if results := await self.act():
            await self.happen(*results)

    async def adopt(self) -> None:
        """Adopt the open intents of a dead issuer."""
        for row in await self.pool.fetch("select id, key, kind, data, since from intents order by since"):
            data = self.service.effects[row["kind"]].data.model_validate_json(row["data"])
            self.tasks.append(Task(row["id"], row["key"], row["kind"], data, row["since"]))

    async def state(self, case_id: UUID | str) -> State | None:
        async with self.pool.acquire() as connection:
            rows: Sequence[Stored[State]] = await self.service.tables.store.load(connection, [str(case_id)])
        return rows[0].state if rows else None

    async def published(self) -> list[str]:
        """Return the last words of the types of the events on `certificates`, in order."""
        rows = await self.pool.fetch("select type from outbox where topic = 'certificates' order by id")
        return [row["type"].removesuffix(".v1").rpartition(".")[2] for row in rows]

    async def intents(self) -> int:
        count: int = await self.pool.fetchval("select count(*) from intents")
        return count

    async def parked(self) -> int:
        count: int = await self.pool.fetchval("select count(*) from parked")
        return count


def record_of(event: Event, writers: Writers = WRITERS) -> Record:
    """Return an event as its writer's record."""
    out = writers.signed(to_record(event.data, source="/intake", id=event.id, time=event.time))
    return Record(out.topic, 0, 0, out.key, out.headers, out.value, event.time)


def kept(application: ApplicationAccepted, writers: Writers = WRITERS) -> SignedRecord:
    """Return what is kept of an application that intake has signed."""
    record = record_of(Event(uuid4(), application.key(), application, datetime.now(UTC)), writers)
    return SignedRecord.of(record.headers, record.value)


def signed(
    context: IssuingContext, keys: Mapping[str, SigningKey], intended: Intended, application: ApplicationAccepted
) -> Signed:
    """Sign an intent, as the act does."""
    now = intended.linted.not_before
    checked = check_order(context, SigningOrder.of(intended), intended, application, now)
    return Signed.by(checked, keys[intended.linted.issuer])


class _NoSource:
    """A source without records."""

    def take(self, _: int) -> list[Record]:
        return []

    def handled(self, _: Sequence[Record]) -> None:
        pass


def _arrival(what: ApplicationAccepted | AcceptedWithdrawn | KeyCompromised | Event) -> Arrival:
    event = what if isinstance(what, Event) else Event(uuid4(), what.key(), what, datetime.now(UTC))
    record = record_of(event)
    return Arrival(record, replace(event, record=record))

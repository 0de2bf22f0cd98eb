"""A revoker without Kafka and CRLs: turns on a real database, acts on demand. A new stand on it is a restart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
from identities import any_signer
from servicecert_pki.identity import Limits
from servicecert_pki.partitions import FULL
from servicecert_pki.serials import serial_hex
from servicecert_revoker.domain.authority_requests import CASCADE, CascadeOrder
from servicecert_revoker.domain.certificates import IRREGULAR, LONGEST_VOID, Certificate, Irregular, Verified, Void
from servicecert_revoker.domain.crl_orders import Confirmed, ConfirmOrder, Published, PublishedCrl, PublishOrder
from servicecert_revoker.domain.decide import HANDLERS, State, decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import ALARM, Late
from servicecert_revoker.effects.certificates import Cascade, Irregularities
from servicecert_revoker.effects.confirm import alarm
from servicecert_revoker.storage.prepare import prepare
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.codec import stored, to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import CERTIFICATES, REVOCATIONS
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import Done, Due, Effect, Event, Outcome, Result, Rules, Service, Tables, Task
from servicecert_worker.core.fold import Item
from servicecert_worker.core.record import Arrival, Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.turn import TurnResult, Turns

Pool: TypeAlias = "asyncpg.Pool[Any]"


@dataclass
class Stand:
    """`now` is the revoker's clock, `tasks` the acts that are still to do, `read` the last outbox row that was seen."""

    pool: Pool
    known: Knowledge
    most: int = 20
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    tasks: list[Task] = field(default_factory=list)
    read: int = 0

    def __post_init__(self) -> None:
        self.number = 0
        self.service: Service[State, Knowledge] = Service(
            "revoker",
            (REVOCATIONS, CERTIFICATES),
            Rules(decide, examine=lambda events: [examined(each) for each in events], handlers=HANDLERS),
            Tables(RevocationStore(), prepare=partial(prepare, most_responders=Limits().responders_most)),
            effects={
                "publish": Effect(PublishOrder, self._publish),
                "confirm": Effect(ConfirmOrder, self._confirm),
                CASCADE: Effect(CascadeOrder, Cascade(self.pool, self.most, lambda: self.now)),
                ALARM: Effect(Late, alarm),
                IRREGULAR: Effect(Irregular, Irregularities(self.pool)),
            },
        )
        self.chain = Chain("revoker", {}, os.urandom)
        self.turns = Turns(self.service, self.pool, self.chain, any_signer("revoker"))
        self.loop: Loop[State, Knowledge] = Loop(
            self.service, 200, self._take, self._done, self._settle, lambda: self.now, Verifier({})
        )

    async def _take(self, items: Sequence[Item], now: datetime) -> TurnResult:
        if not self.chain.begun:
            await self.chain.begin(self.pool, now)
        return await self.turns.take(items, self.known, now, 7, "")

    def _done(self, outcome: TurnResult, _: Sequence[Item]) -> None:
        self.tasks += outcome.tasks

    async def _settle(self) -> None:
        """Do nothing: the next revoker adopts the intents of a turn whose answer was lost."""

    async def _publish(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        self.number += 1
        crl = PublishedCrl(
            partition=FULL,
            number=self.number,
            url="http://crl.example.fi/test-ec.crl",
            this_update=self.now,
            next_update=self.now + timedelta(days=3),
            entries=1,
            sha256="a" * 64,
        )
        return [
            Done(
                Published(
                    issuer=task.data.issuer,
                    crl=crl,
                    announced=(),
                    next_planned=self.now + timedelta(days=1),
                    published_at=self.now,
                    request_id=task.data.request_id,
                )
            )
            for task in tasks
        ]

    async def _confirm(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [Done(Confirmed(**task.data.model_dump(), confirmed_at=self.now)) for task in tasks]

    async def happen(self, *happened: EventData | Event | Due | Result) -> None:
        """Run a turn over all of it."""
        for each in happened:
            if isinstance(each, Result):
                self.loop.give_result(each)
            else:
                self.loop.give([each if isinstance(each, Due) else self._arrival(each)])
        await self.loop.round(_NoSource(), 0)

    def _arrival(self, what: EventData | Event) -> Arrival:
        event = what if isinstance(what, Event) else Event(uuid4(), what.key(), what, self.now)
        made = to_record(event.data, source="/e-service", id=event.id, time=event.time)
        return Arrival(Record(made.topic, 0, 0, made.key, made.headers, made.value, event.time), event)

    async def act(self) -> None:
        """Run the effects of all tasks, until none are left."""
        while self.tasks:
            tasks, self.tasks = self.tasks, []
            for task in tasks:
                (outcome,) = await self.service.effects[task.kind].do([task])
                assert isinstance(outcome, Done)
                await self.happen(Result(task.id, task.key, task.kind, outcome.data))

    async def read_outbox(self) -> list[EventData]:
        """Return the new events, in order; those for the revoker itself are fed back, as by their topic."""
        rows = await self.pool.fetch(
            "select id, event_id, type, payload, topic, at from outbox where id > $1 order by id", self.read
        )
        events = []
        for row in rows:
            self.read = row["id"]
            data = stored(row["type"], row["payload"])
            events.append(data)
            if row["topic"] == REVOCATIONS.name:
                await self.happen(Event(row["event_id"], data.key(), data, row["at"]))
        return events

    async def settled(self) -> list[EventData]:
        """Run everything that follows, acts included, and return all events."""
        events: list[EventData] = []
        while True:
            await self.act()
            new = await self.read_outbox()
            events += new
            if not new and not self.tasks:
                return events

    async def wake(self) -> int:
        """Fire the deadlines that are due, and return their number."""
        rows = await self.pool.fetch("select id, key, kind, at from deadlines where at <= $1 order by at", self.now)
        if rows:
            await self.happen(*(Due(row["id"], row["key"], row["kind"], row["at"]) for row in rows))
        return len(rows)

    async def standings(self) -> dict[str, int]:
        rows = await self.pool.fetch("select standing::text as standing, count(*) as cases from statuses group by 1")
        return {row["standing"]: row["cases"] for row in rows}

    async def parked(self) -> int:
        count: int = await self.pool.fetchval("select count(*) from parked")
        return count


def verified(issued: CertificateIssued, at: datetime, differ: tuple[str, ...] = (), **other: Any) -> Verified:
    """What the certificate of an event says: the same as the event, but for `other`."""
    told = {each.name: getattr(issued, each.name) for each in fields(Certificate) if hasattr(issued, each.name)}
    return Verified(Certificate(**{**told, "issued_at": at, **other}), issued.fingerprint, differ)


def examined(event: Event) -> Event:
    """An event with facts as if a CA had signed its certificate, unless it has some."""
    match event.data:
        case CertificateIssued() as issued if event.facts is None:
            return replace(event, facts=verified(issued, event.time))
        case CertificateVoided() as voided if event.facts is None:
            not_after = voided.not_after or event.time + LONGEST_VOID
            return replace(event, facts=Void(voided.issuer, voided.serial, not_after, voided.partition))
    return event


def another(issued: CertificateIssued, number: int, **changes: Any) -> CertificateIssued:
    """Another case's certificate, by its number."""
    own = {"case_id": UUID(int=number), "serial": serial_hex(number).lower(), "serial_decimal": str(number)}
    return issued.model_copy(update={**own, **changes})


def renewed(stand: Stand, **changes: Any) -> Stand:
    """Another revoker on the same database."""
    return replace(stand, tasks=[], **changes)


class _NoSource:
    """A source without records."""

    def take(self, _: int) -> list[Record]:
        return []

    def handled(self, _: Sequence[Record]) -> None:
        pass

"""A replay of intake with other registers and accounts than those of then: what differs is found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from conftest import ServicePool
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from identities import any_signer
from servicecert_intake.domain.knowledge import Knowledge
from servicecert_intake.domain.registers.snapshot import Registers
from servicecert_intake.service import MIGRATIONS, NAME, open_service
from servicecert_intake.settings import Settings
from servicecert_intake.storage.store import wake
from servicecert_schemas.application import ApplicationSubmitted, Form
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.codec import stored, to_record
from servicecert_schemas.event import Actor
from servicecert_schemas.membership import NO_ACCOUNTS, accounts_after
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import Due, Event
from servicecert_worker.core.fold import Item
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from servicecert_worker.core.record import Record, arrive
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.replay.replay import Replay, ReplayClock, Replayed
from servicecert_worker.runtime.turn import Turns

from .conftest import CASE_ID, COLLEAGUE, MEMBERS, SERVER_FORM, opened

TRUSTING = Verifier({})
Pool: TypeAlias = "asyncpg.Pool[Any]"


@dataclass
class Course:
    """Intake at work on a pool, turn by turn; what it read and published."""

    pool: Pool
    now: datetime = datetime(2026, 11, 24, 10, tzinfo=UTC)
    read: list[Record] = field(default_factory=list)
    published: list[PublishedEvent] = field(default_factory=list)

    async def turn(self, known: Knowledge, later: timedelta = timedelta(0), records: Sequence[Record] = ()) -> None:
        """Handle what is due then, and records, and publish what follows."""
        self.now += later
        self.read += records
        rows = await self.pool.fetch("select * from deadlines where at <= $1", self.now)
        items: list[Item] = [Due(row["id"], row["key"], row["kind"], row["at"]) for row in rows]
        async with open_service(Settings(), self.pool, lambda: self.now) as service:
            chain = Chain(NAME, {}, os.urandom)
            await chain.begin(self.pool, self.now)
            turns = Turns(service, self.pool, chain, any_signer(NAME))
            arrivals = [arrive(each, TRUSTING) for each in records]
            events = [each.what for each in arrivals if isinstance(each.what, Event)]
            assert service.rules.examine is not None
            examined = service.rules.examine(events)
            items += [replace(each, what=event) for each, event in zip(arrivals, examined, strict=True)]
            await turns.take(items, known, self.now, 7, "")
        sent = "with sent as (delete from outbox returning *) select * from sent order by id"
        for row in await self.pool.fetch(sent):
            data = stored(row["type"], row["payload"])
            self.published.append(PublishedEvent(row["event_id"], data, row["at"], row["id"]))


async def replayed(pool: Pool, course: Course, known: Knowledge, records: Sequence[Record]) -> Replayed:
    """Replay with what is known today; all that was published is forgotten."""
    published, clock = PublishedEvents(course.published), ReplayClock()
    async with open_service(Settings(), pool, clock) as service:
        chain = Chain(NAME, {}, os.urandom)
        await chain.begin(pool, datetime.now(UTC))

        def turns(made: Any) -> Turns[Any, Any]:
            return Turns(made, pool, chain, any_signer(NAME))

        expected = {each.id for each in published}
        return await Replay(service, pool, turns, TRUSTING, clock, known, published, expected).run([records])


def submitted() -> Record:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = request.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
    data = ApplicationSubmitted(
        case_id=CASE_ID,
        actor=Actor.model_validate(COLLEAGUE),
        form=Form.model_validate(SERVER_FORM),
        attachments=(),
        csr=csr.public_bytes(serialization.Encoding.PEM).decode(),
    )
    at = datetime(2026, 11, 24, 10, tzinfo=UTC)
    made = to_record(data, source="/e-service", id=uuid4(), time=at)
    return Record(made.topic, 0, 0, made.key, made.headers, made.value, at)


@pytest.fixture
def today(registers: Registers) -> Knowledge:
    return Knowledge(registers, accounts_after(NO_ACCOUNTS, [opened("account-1"), *MEMBERS]))


@pytest.mark.parametrize(
    ("lacking", "differing"),
    [("registers", {CaseChanged.TYPE, ApplicationAccepted.TYPE}), ("accounts", {CaseChanged.TYPE})],
)
async def test_I2_I8_a_case_that_today_is_decided_otherwise_is_listed(
    service_pool: ServicePool, today: Knowledge, lacking: str, differing: set[str]
) -> None:
    """It was returned, or waited, and was accepted later: now it would be accepted at once."""
    then = Knowledge(accounts=today.accounts) if lacking == "registers" else Knowledge(today.registers)
    course = Course(await service_pool(NAME, MIGRATIONS))
    await course.turn(then, records=[submitted()])
    await course.turn(today, timedelta(days=1))
    assert course.published[-1].data.TYPE == ApplicationAccepted.TYPE
    done = await replayed(await service_pool(NAME, MIGRATIONS), course, today, course.read)
    assert {each.key for each in done.differs} == {str(CASE_ID)}
    assert {each.type for each in done.differs} == differing


async def test_I2_a_case_that_was_judged_again_early_is_accepted_again(
    service_pool: ServicePool, today: Knowledge, registers: Registers
) -> None:
    """Registers changed after the backup, and its deadline was brought forward: the topics tell when it was decided."""
    then, first = Knowledge(accounts=today.accounts), submitted()
    course, restored = Course(await service_pool(NAME, MIGRATIONS)), Course(await service_pool(NAME, MIGRATIONS))
    await course.turn(then, records=[first])
    await restored.turn(then, records=[first])
    await wake(course.pool, registers, course.now)
    await course.turn(today, timedelta(hours=1))
    done = await replayed(restored.pool, course, today, [])
    assert done.differs == ()
    view = course.published[1].data
    assert isinstance(view, CaseChanged)
    assert view.state is CaseState.ACCEPTED
    assert await restored.pool.fetchval("select state::text from cases") == "accepted"
    assert await restored.pool.fetchval("select count(*) from outbox") == 0

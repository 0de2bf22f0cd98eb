"""A whole run, stored in an empty database by the journals: the tables are the same again, and nothing is done twice.

Then the workers go on with the new database as with the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from chaos.idle import IdleCheck
from chaos.observers import Signature
from chaos.plan import draw
from chaos.restores import apply, journaled
from chaos.testbed import Testbed
from databases import create_database, drop_database
from journaled import Journaled
from servicecert_cli.connections import kafka
from servicecert_cli.operations.migrating import migrate
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import (
    AUDIT_CHECKPOINTS,
    CATALOGUE,
    CERTIFICATE_STANDINGS,
    CERTIFICATE_STATUS,
    SERVICES,
    journal_topic,
)
from servicecert_worker.storage import database, schema

from .conftest import CompletedRun

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

Acts = tuple[frozenset[Signature], Mapping[UUID, int]]


@dataclass(frozen=True)
class State:
    """The tables of each service, the topics' ends, and what the outside world has seen."""

    rows: Mapping[str, Journaled]
    ends: Mapping[TopicPartition, int]
    acts: Acts

    @classmethod
    async def of(cls, testbed: Testbed) -> State:
        return cls(await journaled(testbed.system), await read_ends(testbed.system), await read_acts(testbed))


@dataclass(frozen=True)
class RestoredRun:
    """A run whose system has the tables of another database, without workers; its state before, and after.

    `again` is what the commands said the second time.
    """

    run: CompletedRun
    before: State
    after: State
    again: Mapping[str, str]


async def read_ends(system: System) -> Mapping[TopicPartition, int]:
    """Return the ends of all partitions of all topics."""
    places = [TopicPartition(system.cluster.name(topic), n) for topic in CATALOGUE for n in range(topic.partitions)]
    async with kafka.reader(system.cluster) as reader:
        ends: Mapping[TopicPartition, int] = await reader.end_offsets(places)
    return ends


async def read_acts(testbed: Testbed) -> Acts:
    """Return what the outside world has seen: the CA keys' signatures, and how often each mail came."""
    evidence = await testbed.evidence()
    signatures = frozenset(each for each in evidence.signatures if each.key in evidence.ca_keys)
    return signatures, {id: mail.times for id, mail in evidence.mails.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def restored_run(completed_run: CompletedRun) -> AsyncIterator[RestoredRun]:
    """The workers are stopped, a second database is made, and each service's tables in it are brought forward."""
    system = completed_run.testbed.system
    assert completed_run.verdict.is_clean
    await asyncio.gather(*(asyncio.to_thread(system.children[name].stop) for name in workers(system)))
    name = f"restored_{uuid4().hex[:12]}"
    second = create_database(system.parts, name)
    try:
        passwords = {login: database.new_password() for login in (*SERVICES, *database.LOGINS)}
        urls = await asyncio.to_thread(schema.prepare, second, passwords)
        await asyncio.to_thread(migrate, urls[database.MIGRATOR], SERVICES)
        before = await State.of(completed_run.testbed)
        system.backends = replace(system.backends, admin_url=second, urls=urls)
        await apply(system)
        after = await State.of(completed_run.testbed)
        yield RestoredRun(completed_run, before, after, await apply(system))
        await system.stop_all()
    finally:
        drop_database(system.parts, name)


def workers(system: System) -> list[str]:
    """Return the names of the services' workers."""
    return [name for name in system.children if name.partition("-")[0] in SERVICES]


@pytest.mark.parametrize("service", SERVICES)
async def test_F7_the_tables_are_the_same_byte_for_byte(restored_run: RestoredRun, service: str) -> None:
    before, after = restored_run.before.rows[service], restored_run.after.rows[service]
    assert not before.unsent
    assert not before.differences(after)
    assert sum(map(len, after.rows.values())) > 50


async def test_I2_nothing_is_signed_mailed_or_published(restored_run: RestoredRun) -> None:
    assert restored_run.after.acts == restored_run.before.acts
    assert restored_run.after.ends == restored_run.before.ends


async def test_a_second_time_nothing_is_left_to_store(restored_run: RestoredRun) -> None:
    for said in restored_run.again.values():
        assert "have all that its journal has" in said


async def test_workers_go_on_with_the_new_tables(restored_run: RestoredRun) -> None:
    """They publish only CRLs, checkpoints and what the revoker counts, and then decide on new applications."""
    run, testbed = restored_run.run, restored_run.run.testbed
    for name in SERVICES:
        testbed.system.start(name)
    await testbed.system.ready(*SERVICES)
    await IdleCheck(testbed.system, testbed.traffic).wait()
    topics = {testbed.system.cluster.name(topic): topic.name for topic in CATALOGUE}
    ends = await read_ends(testbed.system)
    grown = {topics[place.topic] for place, end in ends.items() if end > restored_run.before.ends[place]}
    journals = {journal_topic(service).name for service in SERVICES}
    assert grown <= {AUDIT_CHECKPOINTS.name, CERTIFICATE_STATUS.name, CERTIFICATE_STANDINGS.name, *journals}
    assert (await read_acts(testbed))[1] == restored_run.before.acts[1]
    more = draw(12, 10, [], faults=0)
    for burst in more.bursts:
        await testbed.traffic.send(burst)
    verdict = await run.verdict_with(more)
    assert verdict.is_clean, verdict

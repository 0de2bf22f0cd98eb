"""A whole run, replayed into an empty database: the tables are the same again, and nothing is done a second time.

Then the workers go on with the new database as with the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from chaos.idle import IdleCheck
from chaos.observers import Signature
from chaos.plan import draw
from chaos.restores import apply
from chaos.testbed import Testbed
from databases import create_database, drop_database
from servicecert_cli.connections import kafka
from servicecert_cli.operations.migrating import migrate
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, CATALOGUE, CERTIFICATE_STANDINGS, CERTIFICATE_STATUS, SERVICES
from servicecert_worker.storage import database

from .conftest import CompletedRun

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

OWN_BOOKS: Mapping[str, str] = {
    "audit": "a replay writes a chain of its own: salts are random, and its rows say that they are a replay's",
    "audit_chains": "a replay writes a chain of its own",
    "lock_salt": "is drawn when a schema is made",
    "_yoyo_log": "is the log of the migrations",
    "_yoyo_migration": "says when the schema was made",
    "_yoyo_version": "says when the schema was made",
    "yoyo_lock": "is the lock of the migrations",
    "rechecks": "a worker checks certificates again at its first start",
    "origins": "a worker notes the topics' identity when it starts",
    "written": "a worker notes the topics' ends when it starts",
}
"""The tables that differ after a replay, in each schema, each with the reason."""

DIFFERENT: Mapping[str, str] = {
    "inbox.at": "says when the row was written",
    "intake.cases.version": "counts how often a case was stored: a turn that handles two of its events stores it once",
    "intake.keys.seen_at": "says when the row was written",
    "intake.account_events.stripe": "spreads concurrent turns over rows: only the sum of `events` counts",
    "intake.account_events.events": "is compared as the sum of the stripes",
    "issuer.certificates.begun_at": "says when the row was written",
    "issuer.certificates.ended_at": "says when the row was written",
    "issuer.certificates.sign_by": "is counted from the turn that intended, of which nothing published tells",
    "revoker.crls.scheduled": "a CRL's event does not tell why it was made",
    "revoker.crls.allocated_at": "a CRL's event does not tell when its number was drawn",
    "revoker.crls.serial_sum": "a CRL's event does not list its serial numbers",
    "revoker.crls.published_at": "is the moment of the act; a CRL's event has that of the turn which recorded it",
    "revoker.responder_certificates.intended_at": "says when the row was written",
    "notifier.ledgers.version": "counts how often a ledger was stored, as cases.version does",
    "notifier.ledgers.standing.correspondence.version": "is that of the last view which told anything new: of a "
    "certificate and the view that shows it, only the first does, and nothing published tells which that was",
    "notifier.mails.answer": "a mail's event has only the class of the mail server's answer",
    "notifier.mails.relay": "a mail's event does not name the mail server",
    "notifier.mails.entry": "holds answer, relay and give_up_at",
    "notifier.mails.give_up_at": "is counted from the turn that planned the mail, of which nothing published tells",
    "notifier.orders.data": "holds give_up_at",
}
"""The columns, and fields of columns, that differ after a replay, each with the reason; those without a schema in each.
"""

FIRST_DEADLINES: Mapping[str, str] = {
    "intake": "kind <> 'shared-primes'",
    "issuer": "kind <> 'recheck'",
    "revoker": "key not like 'crl/%'",
    "notifier": "true",
}
"""What is compared of each service's deadlines: some are set by a worker at its first start, or follow from those."""

_STRIPED = """
select (account_id, hour, sum(events))::text as row from intake.account_events group by account_id, hour order by 1
"""
_TABLES = "select tablename from pg_tables where schemaname = $1 order by 1"


Acts = tuple[frozenset[Signature], Mapping[UUID, int]]
Rows = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class State:
    """The tables of each service, the topics' ends, and what the outside world has seen."""

    rows: Rows
    ends: Mapping[TopicPartition, int]
    acts: Acts

    @classmethod
    async def of(cls, testbed: Testbed) -> State:
        url = testbed.system.backends.admin_url
        rows = {service: await read_rows(url, service) for service in SERVICES}
        return cls(rows, await read_ends(testbed.system), await read_acts(testbed))


@dataclass(frozen=True)
class ReplayedRun:
    """A run whose system has the tables of a replay now, without workers; its state before, after, and after a second
    replay. `columns` are those of the schemas."""

    run: CompletedRun
    before: State
    after: State
    again: State
    columns: frozenset[tuple[str, str, str]]


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
async def replayed_run(completed_run: CompletedRun) -> AsyncIterator[ReplayedRun]:
    """The workers are stopped, a second database is made, and each service is replayed into it by the command."""
    system = completed_run.testbed.system
    assert completed_run.verdict.is_clean
    await asyncio.gather(*(asyncio.to_thread(system.children[name].stop) for name in workers(system)))
    name = f"replayed_{uuid4().hex[:12]}"
    second = create_database(system.parts, name)
    try:
        passwords = {login: database.new_password() for login in (*SERVICES, *database.LOGINS)}
        urls = await asyncio.to_thread(database.prepare, second, passwords)
        await asyncio.to_thread(migrate, urls[database.MIGRATOR], SERVICES)
        before = await State.of(completed_run.testbed)
        system.backends = replace(system.backends, admin_url=second, urls=urls)
        await apply(system)
        after = await State.of(completed_run.testbed)
        await apply(system)
        again = await State.of(completed_run.testbed)
        yield ReplayedRun(completed_run, before, after, again, await read_columns(second))
        await system.stop_all()
    finally:
        drop_database(system.parts, name)


def workers(system: System) -> list[str]:
    """Return the names of the services' workers."""
    return [name for name in system.children if name.partition("-")[0] in SERVICES]


async def read_rows(url: str, service: str) -> Mapping[str, Sequence[str]]:
    """Return what is compared of each table: each row as text, byte for byte, in an order of its own."""
    connection = await asyncpg.connect(url)
    try:
        names = [row[0] for row in await connection.fetch(_TABLES, service) if row[0] not in OWN_BOOKS]
        found = {}
        for table in names:
            paths = [name.removeprefix(f"{service}.").split(".") for name in DIFFERENT]
            left_out = [f"{{{','.join(path)}}}" for other, *path in paths if other == table]
            where = FIRST_DEADLINES[service] if table == "deadlines" else "true"
            if table == "account_events":
                found[table] = [row["row"] for row in await connection.fetch(_STRIPED)]
                continue
            compared = "".join(["to_jsonb(t)", *(f" #- '{path}'" for path in left_out)])
            query = f"select ({compared})::text as row from {service}.{table} t where {where} order by 1"
            found[table] = [row["row"] for row in await connection.fetch(query)]
        return found
    finally:
        await connection.close()


async def read_columns(url: str) -> frozenset[tuple[str, str, str]]:
    """Return the columns of all tables, as schema, table, column."""
    connection = await asyncpg.connect(url)
    try:
        query = "select table_schema, table_name, column_name from information_schema.columns"
        return frozenset(tuple(row) for row in await connection.fetch(query))
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_I12_the_tables_are_the_same_byte_for_byte(replayed_run: ReplayedRun, service: str) -> None:
    before, after = replayed_run.before.rows[service], replayed_run.after.rows[service]
    different = {
        table: (sorted(set(before[table]) - set(after[table]))[:3], sorted(set(after[table]) - set(before[table]))[:3])
        for table in before
        if before[table] != after[table]
    }
    assert not different, f"only before, and only after: {different}"
    assert sum(map(len, before.values())) > 50


async def test_what_is_listed_as_different_exists(replayed_run: ReplayedRun) -> None:
    columns = {".".join(each) for each in replayed_run.columns}
    names = [name if name.startswith(SERVICES) else f"intake.{name}" for name in DIFFERENT]
    assert {".".join(name.split(".")[:3]) for name in names} <= columns
    assert OWN_BOOKS.keys() <= {table for _, table, _ in replayed_run.columns}


async def test_I2_nothing_is_signed_mailed_or_published(replayed_run: ReplayedRun) -> None:
    assert replayed_run.after.acts == replayed_run.before.acts
    assert replayed_run.after.ends == replayed_run.before.ends
    for tables in replayed_run.after.rows.values():
        assert [*tables["outbox"], *tables["intents"]] == []


async def test_a_second_replay_changes_nothing(replayed_run: ReplayedRun) -> None:
    assert replayed_run.again == replayed_run.after


async def test_workers_go_on_with_the_new_tables(replayed_run: ReplayedRun) -> None:
    """They publish only CRLs, checkpoints and what the revoker counts, and then decide on new applications."""
    run, testbed = replayed_run.run, replayed_run.run.testbed
    for name in SERVICES:
        testbed.system.start(name)
    await testbed.system.ready(*SERVICES)
    await IdleCheck(testbed.system, testbed.traffic).wait()
    ends = await read_ends(testbed.system)
    topics = {testbed.system.cluster.name(topic): topic.name for topic in CATALOGUE}
    grown = {topics[place.topic] for place, end in ends.items() if end > replayed_run.before.ends[place]}
    assert grown <= {AUDIT_CHECKPOINTS.name, CERTIFICATE_STATUS.name, CERTIFICATE_STANDINGS.name}
    assert (await read_acts(testbed))[1] == replayed_run.before.acts[1]
    more = draw(12, 10, [], faults=0)
    for burst in more.bursts:
        await testbed.traffic.send(burst)
    verdict = await run.verdict_with(more)
    assert verdict.is_clean, verdict

"""The faults: how each is made and mended, and the one alert that must fire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import psutil
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from servicecert_cli.connections import kafka
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import to_record
from servicecert_schemas.topics import APPLICATIONS, REGISTERS, Topic
from servicecert_worker.kafka.cluster import Cluster

from alarms.stand import Stand, until

Injected: TypeAlias = Callable[[Stand], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that lasts while its context does, the alert that must fire, and labels that it must have."""

    name: str
    alert: str
    injected: Injected
    labels: Mapping[str, str] = field(default_factory=dict)
    consequences: frozenset[str] = frozenset()
    """Alerts that may also fire, because they say something else that is true."""


def _part(name: str) -> Injected:
    """Kill the broker or the database server."""

    @asynccontextmanager
    async def away(stand: Stand):
        part = getattr(stand.system.parts, name)
        await asyncio.to_thread(part.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(part.restart)

    return away


def _dead(service: str) -> Injected:
    """Kill all workers of a service."""

    @asynccontextmanager
    async def dead(stand: Stand):
        names = [name for name in stand.system.processes if name.partition("-")[0] == service]
        for name in names:
            await asyncio.to_thread(stand.system.children[name].kill)
        yield

    return dead


@asynccontextmanager
async def slow_database(stand: Stand):
    """Stop all of PostgreSQL's processes for nine tenths of each second."""
    postgres = stand.system.parts.postgres
    assert postgres is not None

    def all_of_it() -> list[psutil.Process]:
        server = psutil.Process(postgres.pid)
        return [server, *server.children(recursive=True)]

    def each(act: Callable[[psutil.Process], None]) -> None:
        for process in all_of_it():
            with suppress(psutil.NoSuchProcess):
                act(process)

    def dawdle() -> None:
        while not over:
            each(psutil.Process.suspend)
            time.sleep(0.9)
            each(psutil.Process.resume)
            time.sleep(0.1)

    over: list[bool] = []
    dawdling = asyncio.create_task(asyncio.to_thread(dawdle))
    try:
        yield
    finally:
        over.append(True)
        await dawdling


@asynccontextmanager
async def locked_table(stand: Stand):
    """Leave a transaction open that has locked a table, as an operator does."""
    connection = await asyncpg.connect(stand.system.backends.admin_url, server_settings={"application_name": "psql"})
    try:
        async with connection.transaction():
            await connection.execute("lock table intake.events")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def frozen_worker(stand: Stand):
    child = stand.system.children["issuer-2"]
    await asyncio.to_thread(child.freeze)
    try:
        yield
    finally:
        # It may end itself then, since it was frozen for long.
        child.thaw()


@asynccontextmanager
async def poison_burst(stand: Stand):
    """Write records to a topic that are no events; an operator discards them."""
    cluster = stand.system.cluster_of(Principal.E_SERVICE)
    producer = AIOKafkaProducer(**cluster.client)
    await producer.start()
    try:
        for number in range(20):
            await producer.send_and_wait(cluster.name(APPLICATIONS), b"no event", f"poison-{number}".encode())
    finally:
        await producer.stop()
    try:
        yield
    finally:
        await stand.ask("select intake.discard_parked(array(select event_id from intake.parked where culprit))")


@asynccontextmanager
async def key_away(stand: Stand):
    """Move the tokens away, as if the HSM's network were cut."""
    tokens = stand.system.folder / "private" / "softhsm" / "tokens"
    tokens.rename(tokens.with_name("away"))
    try:
        yield
    finally:
        tokens.with_name("away").rename(tokens)


@asynccontextmanager
async def crl_address_closed(stand: Stand):
    await stand.crl.close()
    await stand.revoke()
    try:
        yield
    finally:
        await stand.crl.open()


@asynccontextmanager
async def crl_folder_full(stand: Stand):
    """Allow the revoker no file of more than a few bytes."""
    revoker = psutil.Process(stand.system.children["revoker"].pid)
    revoker.rlimit(psutil.RLIMIT_FSIZE, (100, psutil.RLIM_INFINITY))
    await stand.revoke()
    try:
        yield
    finally:
        revoker.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


def _mail(**answers: str) -> Injected:
    """Let the mail server answer so."""

    @asynccontextmanager
    async def refusing(stand: Stand):
        for name, answer in answers.items():
            setattr(stand.mail, name, answer)
        try:
            yield
        finally:
            for name in answers:
                setattr(stand.mail, name, None)

    return refusing


@asynccontextmanager
async def clock_jump(stand: Stand):
    """The database recorded its last event an hour from now: its machine and the issuers' have jumped back since."""
    await stand.ask("insert into issuer.inbox (event_id, at) values ($1, now() + interval '1 hour')", _A_CASE)
    try:
        yield
    finally:
        await stand.ask("delete from issuer.inbox where event_id = $1", _A_CASE)


def _clock(near: str, back: str) -> Injected:
    """Change what a table says of a clock, as if time had passed."""

    @asynccontextmanager
    async def running(stand: Stand):
        await stand.ask(near)
        try:
            yield
        finally:
            await stand.ask(back)

    return running


_A_CASE = "00000000-0000-4000-8000-000000000019"
DELIVERY_NEAR = (
    "insert into intake.cases (case_id, version, state, account_id, body) values "
    f"('{_A_CASE}', 1, 'accepted', 'account-19', jsonb_build_object('due', now() + interval '20 hours'))"
)
DELIVERY_BACK = f"delete from intake.cases where case_id = '{_A_CASE}'"


@asynccontextmanager
async def revocation_near(stand: Stand):
    """A revocation was requested 13 hours ago and no CRL lists it: the revoker cannot fetch what it publishes."""
    async with crl_address_closed(stand):
        async with asyncio.timeout(60):
            await until(lambda: stand.ask(_OPEN), 0.2)
        await stand.ask("alter table revoker.revocations disable trigger all")
        await stand.ask(
            f"update revoker.revocations set requested_at = requested_at - interval '13 hours' where key in ({_OPEN})"
        )
        await stand.ask("alter table revoker.revocations enable trigger all")
        yield


_OPEN = "select key from revoker.statuses where standing > 'valid' and standing < 'revoked'"


@asynccontextmanager
async def registers_empty(stand: Stand):
    """Start an intake that finds the registers' topic empty: all its records were deleted."""
    from servicecert_cli.registers.loading import publish_entries
    from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register

    entries = await asyncio.to_thread(list, read_register(FICTITIOUS_REGISTERS))
    loader = stand.system.cluster_of(Principal.REGISTERS_LOADER)
    producer = AIOKafkaProducer(**loader.client)
    await producer.start()
    try:
        for entry in entries:
            await producer.send_and_wait(loader.name(REGISTERS), None, entry.key().encode())
    finally:
        await producer.stop()
    try:
        yield
    finally:
        await publish_entries(loader, entries)


@asynccontextmanager
async def registers_stale(stand: Stand):
    """Nobody has loaded registers for nine days: their topic has the same entries, written then."""
    from servicecert_cli.registers.loading import SOURCE, event_id, publish_entries
    from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register

    entries = await asyncio.to_thread(list, read_register(FICTITIOUS_REGISTERS))
    then = datetime.now(UTC) - timedelta(days=9)
    loader, cluster = stand.system.cluster_of(Principal.REGISTERS_LOADER), stand.system.cluster
    await delete_records(cluster, REGISTERS)
    producer = AIOKafkaProducer(**loader.client)
    await producer.start()
    try:
        for entry in entries:
            record = to_record(entry, source=SOURCE, id=event_id(entry), time=then)
            await producer.send_and_wait(
                loader.name(REGISTERS),
                record.value,
                record.key,
                headers=record.headers,
                timestamp_ms=int(then.timestamp() * 1000),
            )
    finally:
        await producer.stop()
    # A worker that runs has seen the newer records.
    await asyncio.to_thread(stand.system.children["intake"].stop)
    stand.system.start("intake")
    await stand.system.ready("intake")
    try:
        yield
    finally:
        await publish_entries(loader, entries)


async def delete_records(cluster: Cluster, topic: Topic) -> None:
    """Delete all records of a compacted topic, which a broker allows where it may delete by age, too."""
    name = cluster.name(topic)
    partitions = [TopicPartition(name, number) for number in range(topic.partitions)]
    async with kafka.reader(cluster) as reader, kafka.admin(cluster) as admin:
        for policy in ("compact,delete", "compact"):
            config = {**topic.config, "cleanup.policy": policy}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])
            if policy != "compact":
                ends = await reader.end_offsets(partitions)
                await admin.delete_records({each: RecordsToDelete(end) for each, end in ends.items()})


@asynccontextmanager
async def service_key_missing(stand: Stand):
    """Take away the key that signs the audit and the events; a worker that restarts finds none."""
    key: Path = stand.system.keys_folder / "issuer.key"
    away = key.with_suffix(".away")
    await asyncio.to_thread(key.rename, away)
    await asyncio.to_thread(stand.system.children["issuer-2"].stop)
    stand.system.start("issuer-2")
    try:
        yield
    finally:
        await asyncio.to_thread(away.rename, key)


FAULTS = (
    Fault("broker gone", "KafkaDown", _part("kafka")),
    Fault("database gone", "DatabaseDown", _part("postgres")),
    Fault("database slow", "DatabaseSlow", slow_database),
    Fault("table locked", "TableLocked", locked_table, {"service": "intake", "table": "events"}),
    Fault("intake dead", "ServiceDown", _dead("intake"), {"job": "intake"}),
    Fault("issuer dead", "ServiceDown", _dead("issuer"), {"job": "issuer"}),
    Fault("revoker dead", "ServiceDown", _dead("revoker"), {"job": "revoker"}),
    Fault("notifier dead", "ServiceDown", _dead("notifier"), {"job": "notifier"}),
    Fault("one worker frozen", "WorkerDown", frozen_worker, {"job": "issuer"}),
    Fault("poison burst", "Parked", poison_burst, {"service": "intake"}),
    Fault("key away", "CaKeyAway", key_away),
    Fault("CRLs do not arrive", "CrlPublisherFails", crl_address_closed, {"publisher": "address"}),
    Fault("CRL folder full", "CrlPublisherFails", crl_folder_full, {"publisher": "folder"}),
    Fault("OCSP responder dead", "OcspDown", _dead("ocsp")),
    Fault("mail server refuses mails", "MailsNotAccepted", _mail(to_recipient="451 4.3.0 Try later")),
    Fault("mail server refuses us", "MailServerRefusesUs", _mail(to_sender="530 5.7.0 Authentication required")),
    Fault("clock jump", "ClockWrong", clock_jump),
    Fault("delivery clock near", "DeliveryNear", _clock(DELIVERY_NEAR, DELIVERY_BACK)),
    Fault("revocation clock near", "RevocationNear", revocation_near, consequences=frozenset({"CrlPublisherFails"})),
    Fault("registers empty", "RegistersEmpty", registers_empty),
    Fault("registers stale", "RegistersStale", registers_stale),
    Fault("service key missing", "WorkerDown", service_key_missing, {"job": "issuer"}),
    Fault("lag exporter dead", "LagExporterDown", _dead("lag")),
)
"""All that can be injected, in the order of the page."""

BY_NAME: Mapping[str, Fault] = {fault.name: fault for fault in FAULTS}

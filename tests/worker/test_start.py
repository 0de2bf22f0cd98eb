"""A worker that starts during an outage waits, and stops on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from servicecert_launcher import Parts
from servicecert_launcher.ports import free_port
from toy.stand import BY_FASTSTREAM, BY_US, Stand, assert_exact, eventually, numbered

pytestmark = pytest.mark.usefixtures("measured_processes")

LOCK = "lock table toy._yoyo_migration in access exclusive mode"
WAITING = "wait_event_type = 'Lock' and query like 'select migration_id%' and datname = current_database()"


def admin_url(stand: Stand, parts: Parts) -> str:
    """Return the URL of the stand's database for its owner."""
    return f"{parts.database_url.rpartition('/')[0]}/{stand.url.rpartition('/')[2]}"


@contextmanager
def locked(stand: Stand, parts: Parts) -> Iterator[psycopg.Connection]:
    """Keep the table of migrations locked, and look from another connection: a transaction sees old sessions."""
    url = admin_url(stand, parts)
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as admin:
        holder.execute(LOCK)
        yield admin


async def wait_for(admin: psycopg.Connection, condition: str) -> None:
    """Wait until a session of the database is so."""

    async def found() -> bool:
        query = f"select exists (select from pg_stat_activity where {condition})"
        return admin.execute(query.encode()).fetchone() == (True,)

    await eventually(found)


async def test_I1_a_database_that_goes_away_during_the_start_is_waited_for(stand: Stand, parts: Parts) -> None:
    with locked(stand, parts) as admin:
        worker = stand.work()
        await wait_for(admin, WAITING)
        admin.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {WAITING}")
        await wait_for(admin, WAITING)
    case = uuid4()
    await stand.send(numbered(case, "1"))
    await assert_exact(stand, {case: ["1"]})
    assert worker.alive


@pytest.mark.parametrize("command", [BY_US, BY_FASTSTREAM], ids=["servicecert", "faststream"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_waits_for_the_broker_ends_in_order_on_a_signal(stand: Stand, number, command) -> None:
    worker = stand.work(command, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")

    async def waits() -> bool:
        return "Waiting: Kafka does not answer" in worker.tail(20)

    await eventually(waits, lambda: worker.tail(20))
    assert worker.stop(60, number) == 0


async def test_a_worker_that_waits_for_its_schema_ends_in_order_on_a_signal(stand: Stand, parts: Parts) -> None:
    with locked(stand, parts) as admin:
        worker = stand.work()
        await wait_for(admin, WAITING)
        assert worker.stop(60) == 0


async def test_f4_a_worker_waits_for_the_migration_that_it_may_not_do(stand: Stand, parts: Parts) -> None:
    with psycopg.connect(admin_url(stand, parts), autocommit=True) as admin:
        admin.execute("create table kept as select * from toy._yoyo_migration where migration_id like '0003%'")
        admin.execute("delete from toy._yoyo_migration where migration_id like '0003%'")
        worker = stand.work()

        async def waits() -> bool:
            return "lacks 1 migrations of this version: run `servicecert db migrate`" in worker.tail(20)

        await eventually(waits, lambda: worker.tail(20))
        admin.execute("insert into toy._yoyo_migration select * from kept")
    case = uuid4()
    await stand.send(numbered(case, "1"))
    await assert_exact(stand, {case: ["1"]})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_faststream_runs_does_the_same_and_ends_in_order(stand: Stand, number) -> None:
    worker = stand.work(BY_FASTSTREAM)
    case = uuid4()
    await stand.send(numbered(case, "1", "2"))
    await assert_exact(stand, {case: ["1", "2"]})
    assert worker.stop(60, number) == 0
    assert "Stopped" in worker.tail(20)


@pytest.mark.long
async def test_a_worker_whose_broker_is_gone_ends_in_order_on_a_signal(stand: Stand, parts: Parts) -> None:
    assert parts.kafka is not None
    worker = stand.work()
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(1)
    try:
        await asyncio.to_thread(parts.kafka.kill)
        assert await asyncio.to_thread(worker.stop, 60) == 0
    finally:
        await asyncio.to_thread(parts.kafka.restart)

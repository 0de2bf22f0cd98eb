"""What the main statements take, and what the tables hold, however many cases there are.

`bench.growth --only cases` prints both. The looks are at cases all over the tables; each value is a median, or of a
command the one time that it took.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import asyncpg
from servicecert_cli.operations import auditing, erasing
from servicecert_cli.stand.system import System
from servicecert_intake.storage import QUERIES as INTAKE
from servicecert_revoker.storage import QUERIES as REVOKER
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import QUERIES

from bench import crl
from bench.stand import connected

LOOKS = 100
REVOKED = 300_000
CA = "test-ec"

Connection: TypeAlias = "asyncpg.Connection[Any]"
Look: TypeAlias = Callable[[Connection, asyncpg.Record], Awaitable[None]]

_SAMPLE = """
select case_id as key, serial, account_id from intake.cases tablesample system ($1) where serial is not null limit $2
"""
_SIZES = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as octets,
       pg_indexes_size(c.oid) as indexes, greatest(c.reltuples, 0)::bigint as rows
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind = 'r' and c.reltuples > 1000 order by 2 desc
"""
_ALL_DUE = (
    "create or replace function {}.erasable_before() returns timestamptz language sql return 'infinity'::timestamptz"
)
_CASES = "select greatest(reltuples, 1) from pg_class where oid = 'intake.cases'::regclass"


async def print_speeds(system: System) -> None:
    """Print what statements and commands take, in milliseconds."""
    async with connected(system.backends.admin_url) as connection:
        await connection.execute("vacuum analyze intake.cases")
        share = 100 * min(1.0, 50 * LOOKS / await connection.fetchval(_CASES))
        cases = await connection.fetch(_SAMPLE, share, LOOKS)
        for name, look in _LOOKS.items():
            _print(name, median([await _timed(look(connection, case)) for case in cases]))
    _print("find what is to be erased, in all cases", await _timed(erasing.due(system.backends.admin_url)))
    _print("servicecert doctor", await _timed(_doctor(system)))


async def print_crl(system: System) -> None:
    """Print the seconds of a CRL with many entries, from these tables to the published file, with all checks."""
    await asyncio.to_thread(crl.fill, system.backends.admin_url, CA, REVOKED)
    found = await crl.passes(system.urls["revoker"], system.ca_folder, CA)
    _print(f"a revocation's pass, {REVOKED:,} entries", found["seconds"])


async def print_sizes(system: System) -> None:
    """Print the sizes of the tables that have many rows."""
    async with connected(system.backends.admin_url) as connection:
        for name, octets, indexes, rows in await connection.fetch(_SIZES, list(SERVICES)):
            sizes = (
                f"{octets / 1e6:>9.0f} MB, of it indexes {indexes / 1e6:>6.0f} MB, {octets / rows:>6.0f} bytes a row"
            )
            print(f"  {name:<26}{rows:>10} rows {sizes}", flush=True)


async def _load(connection: Connection, case: asyncpg.Record) -> None:
    await _within(connection, "intake", INTAKE["load"], [case["key"]])


async def _find(connection: Connection, case: asyncpg.Record) -> None:
    await _within(connection, "intake", INTAKE["find_certificate"], [case["serial"]], case["account_id"])


async def _history(connection: Connection, case: asyncpg.Record) -> None:
    await connection.fetch(auditing.CASES, [case["serial"]])
    for service in SERVICES:
        await _within(connection, service, "select at, entry from audit where key = $1", case["key"])


async def _erase(connection: Connection, case: asyncpg.Record) -> None:
    transaction = connection.transaction()
    await transaction.start()
    for service in SERVICES:
        await connection.execute(_ALL_DUE.format(service))
        assert await connection.fetchval(f"select {service}.erase($1)", case["key"])
    await transaction.rollback()


async def _lead(connection: Connection, _: asyncpg.Record) -> None:
    for service in SERVICES:
        await _within(connection, service, QUERIES["waiting"], _now())
        await _within(connection, service, QUERIES["grown"], 1000)
        await _within(connection, service, QUERIES["prune"], timedelta(days=100))


async def _partitions(connection: Connection, _: asyncpg.Record) -> None:
    await _within(connection, "revoker", REVOKER["partitions"], CA, 16, 1024)


async def _figures(connection: Connection, _: asyncpg.Record) -> None:
    for service in SERVICES:
        both = "select * from worker_figures($1) union all select * from figures($1)"
        await _within(connection, service, both, _now())


_LOOKS: dict[str, Look] = {
    "a case by its key": _load,
    "a case by its serial number": _find,
    "a case's audit by its serial number": _history,
    "erase a case in all services": _erase,
    "what leaders ask, in all services": _lead,
    "a CA's partitions in use": _partitions,
    "the figures of all services": _figures,
}


async def _doctor(system: System) -> None:
    environment = {**system.environment(system.workers[0]), "DATABASE_URL": system.backends.admin_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "servicecert_cli", "doctor", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()


async def _within(connection: Connection, service: str, statement: str, *arguments: object) -> None:
    await connection.execute(f"set search_path = {service}")
    await connection.fetch(statement, *arguments)


async def _timed(act: Awaitable[object]) -> float:
    started = perf_counter()
    await act
    return perf_counter() - started


def _print(name: str, seconds: float) -> None:
    print(f"  {name:<44}{seconds * 1000:>10.2f} ms", flush=True)


def _now() -> datetime:
    return datetime.now(UTC)

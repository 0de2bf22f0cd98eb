"""What the main statements and commands take, and what the tables hold, however many cases are stored.

The looks are at cases all over the tables; each value is a median, or of a command the one time that it took.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
from servicecert_cli.operations import auditing, erasing
from servicecert_cli.stand.system import System
from servicecert_intake.storage import QUERIES as INTAKE
from servicecert_revoker.storage import QUERIES as REVOKER
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import QUERIES

from bench.stand import connected

LOOKS = 100
CA = "test-ec"

Connection: TypeAlias = "asyncpg.Connection[Any]"
Asked: TypeAlias = "tuple[str, str, tuple[object, ...]]"
"""A service's schema, a statement, and its arguments."""

_ALL_DUE = (
    "create or replace function erasable_before() returns timestamptz language sql return 'infinity'::timestamptz"
)
_ERASE = "select 1 / erase($1)::int"
"""It fails if there is nothing to erase."""
_FIGURES = "select * from worker_figures($1) union all select * from figures($1)"
_AUDIT = "select at, entry from audit where key = $1"
_SAMPLE = """
select found.case_id as key, found.serial, found.account_id from unnest($1::text[]) as wanted
cross join lateral (
    select * from intake.cases where case_id > wanted and serial is not null order by case_id limit 1
) as found
"""
_SIZES = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as octets,
       pg_indexes_size(c.oid) as indexes, greatest(c.reltuples, 0)::bigint as rows
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind = 'r' and c.reltuples > 1000 order by 2 desc
"""


def _leading(service: str) -> list[Asked]:
    return [
        (service, QUERIES["waiting"], (datetime.now(UTC),)),
        (service, QUERIES["grown"], (1000,)),
        (service, QUERIES["prune"], (timedelta(days=100),)),
    ]


_LOOKS: Mapping[str, Callable[[asyncpg.Record], list[Asked]]] = {
    "a case by its key": lambda case: [("intake", INTAKE["load"], ([case["key"]],))],
    "a case by its serial number": lambda case: [
        ("intake", INTAKE["find_certificate"], ([case["serial"]], case["account_id"]))
    ],
    "a case's audit by its serial number": lambda case: [
        ("intake", auditing.CASES, ([case["serial"]],)),
        *((service, _AUDIT, (case["key"],)) for service in SERVICES),
    ],
    "erase a case in all services": lambda case: [
        asked for service in SERVICES for asked in ((service, _ALL_DUE, ()), (service, _ERASE, (case["key"],)))
    ],
    "what leaders ask, in all services": lambda _: [asked for service in SERVICES for asked in _leading(service)],
    "a CA's partitions in use": lambda _: [("revoker", REVOKER["partitions"], (CA, 16, 1024))],
    "the figures of all services": lambda _: [(service, _FIGURES, (datetime.now(UTC),)) for service in SERVICES],
}


async def print_speeds(system: System) -> None:
    """Print what statements and commands take, in milliseconds. Nothing is changed."""
    async with connected(system.backends.admin_url) as connection:
        cases = await connection.fetch(_SAMPLE, [str(uuid4()) for _ in range(LOOKS)])
        for name, look in _LOOKS.items():
            _print(name, median([await _timed(_look(connection, look(case))) for case in cases]))
    _print("find what is to be erased, in all cases", await _timed(erasing.due(system.backends.admin_url)))
    _print("servicecert doctor", await _timed(_doctor(system)))


async def print_sizes(system: System) -> None:
    async with connected(system.backends.admin_url) as connection:
        for name, octets, indexes, rows in await connection.fetch(_SIZES, list(SERVICES)):
            sizes = f"{octets / 1e6:>9.0f} MB, of it indexes {indexes / 1e6:>6.0f} MB"
            print(f"  {name:<26}{rows:>10} rows {sizes}, {octets / rows:>6.0f} bytes a row", flush=True)


async def _look(connection: Connection, asked: list[Asked]) -> None:
    transaction = connection.transaction()
    await transaction.start()
    for service, statement, arguments in asked:
        await connection.execute(f"set search_path = {service}")
        await connection.fetch(statement, *arguments)
    await transaction.rollback()


async def _doctor(system: System) -> None:
    environment = {**system.environment(system.workers[0]), "DATABASE_URL": system.backends.admin_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "servicecert_cli", "doctor", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()


async def _timed(act: Awaitable[object]) -> float:
    started = perf_counter()
    await act
    return perf_counter() - started


def _print(name: str, seconds: float) -> None:
    print(f"  {name:<44}{seconds * 1000:>10.2f} ms", flush=True)

"""What PostgreSQL says of itself, and of what the services' tables hold of what they have signed and published.

A reader's login sees all of it (`servicecert db reader`), an administrator's or an operator's too.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.checkpoints import Checkpoint, Signed
from servicecert_worker.audit.verification import Kind, Verified, verify_checkpoints
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.service_keys import TrustedKeys, read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.core.table_locks import TableLock
from servicecert_worker.kafka.fence import Fence, Past
from servicecert_worker.kafka.reading import part_reader
from servicecert_worker.storage import database as transport
from servicecert_worker.storage.admission import Difference, difference
from servicecert_worker.storage.figures import held_locks

from ....connections.addresses import database_url
from ..domain import database
from ..domain.check import counted, unknown
from ..domain.kafka import check_reached
from ..sources import Look, Sources, Stopped, elsewhere, open_database, setting, shared, skip
from . import QUERIES

LOCK_SECONDS = 2.0
READER = "Use a reader's DATABASE_URL: `servicecert db reader NAME` makes one."
_ENCRYPTED = ("require", "verify-ca", "verify-full")


@asynccontextmanager
async def readable(sources: Sources, schema: str) -> "AsyncIterator[asyncpg.Pool]":
    """Yield connections to read a schema. Raises Stopped where it is not prepared, or may not be read."""
    pool = await sources.database()
    try:
        yield pool
    except asyncpg.InsufficientPrivilegeError:
        is_usable = False
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
        # A schema that the role may not use looks like one without tables.
        is_usable = await pool.fetchval(QUERIES["may_use"], schema)
    else:
        return
    if is_usable:
        raise elsewhere("Migrations")
    raise Stopped(unknown(f"DATABASE_URL's role may not read the tables of {schema}.", READER))


async def in_schema(sources: Sources, schema: str, query: str, *arguments: object) -> list[asyncpg.Record]:
    """Return the rows of a query in a schema. Raises Stopped as `readable`."""
    async with readable(sources, schema) as pool, pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute("select set_config('search_path', $1, true)", schema)
        return await connection.fetch(query, *arguments)


@shared
async def settings(sources: Sources) -> Mapping[str, Any]:
    (row,) = await (await sources.database()).fetch(QUERIES["settings"])
    return dict(row)


async def link(sources: Sources) -> tuple[bool, bool]:
    """Return whether the connection is private: what DATABASE_URL demands, which the server may not see."""
    await sources.database()
    url = database_url()
    modes = parse_qs(urlsplit(url).query).get("sslmode", [""])
    return modes[-1] in _ENCRYPTED, transport.is_private(url)


async def durability(sources: Sources) -> dict[str, str]:
    """Return the settings that decide whether a commit survives, those of roles as `name (role)`."""
    row = await settings(sources)
    overrides = await (await sources.database()).fetch(QUERIES["overrides"])
    return {
        **{name: row[name] for name in ("fsync", "full_page_writes", "synchronous_commit")},
        **{f"synchronous_commit ({each['whose']})": each["setting"].partition("=")[2] for each in overrides},
    }


async def vacuum(sources: Sources) -> tuple[bool, Sequence[str], int]:
    (row,) = await (await sources.database()).fetch(QUERIES["vacuum"], list(SERVICES))
    return (await settings(sources))["autovacuum"], row["without"], row["oldest"]


async def oldest_transaction(sources: Sources) -> tuple[float, str] | None:
    """Return the oldest open transaction's seconds and user, None where none is open."""
    pool = await sources.database()
    if not await pool.fetchval(QUERIES["sees_all"]):
        raise skip("DATABASE_URL's role does not see other users' transactions.", "Grant it pg_monitor.")
    row = await pool.fetchrow(QUERIES["oldest_transaction"])
    return None if row is None else (row["seconds"], row["whose"])


async def kept_locks(sources: Sources) -> Sequence[TableLock]:
    """Return the locks on tables that others wait for, and that are held at two looks: most last milliseconds."""
    pool = await sources.database()
    first = await held_locks(pool)
    await asyncio.sleep(LOCK_SECONDS if first else 0)
    return [lock for lock in await held_locks(pool) if lock in first] if first else []


async def clock(sources: Sources) -> tuple[datetime, datetime, datetime]:
    """Return PostgreSQL's clock, between two readings of this machine's."""
    async with (await sources.database()).acquire() as connection:
        before = datetime.now(UTC)
        there = await connection.fetchval(QUERIES["clock"])
        return before, there, datetime.now(UTC)


async def disk(sources: Sources) -> tuple[str, int, int]:
    """Return the room of PostgreSQL's disk, where its files are here and it says where."""
    folder = await (await sources.database()).fetchval(QUERIES["data_directory"])
    with suppress(OSError):
        if folder and transport.is_local(urlsplit(database_url()).hostname or ""):
            return space(folder)
    raise skip("PostgreSQL is on another machine, or does not tell this role where its files are.")


async def crl_disk(_: Sources) -> tuple[str, int, int]:
    """Return the room of the CRL folder."""
    folder = setting("SERVICECERT_CRL_DIR")
    try:
        return space(folder)
    except OSError as fault:
        raise skip(f"SERVICECERT_CRL_DIR cannot be read ({fault.strerror}).") from None


def space(folder: str) -> tuple[str, int, int]:
    """Return the room of a folder's file system. Raises OSError."""
    usage = shutil.disk_usage(folder)
    # What only root may fill is not free.
    return folder, usage.used + usage.free, usage.free


async def migrations(sources: Sources) -> dict[str, Difference | None]:
    """Return how each service's schema differs from this version's migrations, None where there is none."""
    pool = await sources.database()
    present = {row["nspname"] for row in await pool.fetch(QUERIES["schemas"], list(SERVICES))}
    found: dict[str, Difference | None] = dict.fromkeys(SERVICES)
    for service in SERVICES:
        if service in present:
            folder = Path(str(files(f"servicecert_{service}.storage") / "migrations"))
            found[service] = await asyncio.to_thread(difference, await _applied(sources, service), [folder])
    return found


async def _applied(sources: Sources, service: str) -> list[str]:
    try:
        return [row["migration_id"] for row in await in_schema(sources, service, QUERIES["applied"])]
    except Stopped as stopped:
        if stopped.check is None:
            raise
        return []


async def roles(sources: Sources) -> tuple[int, list[str]]:
    """Return how many services have roles, and in which ways a role has more rights than it needs."""
    rows = await (await sources.database()).fetch(QUERIES["rights"], list(SERVICES))
    return len(rows), [f"{row['role']} {reason}" for row in rows for reason in row["wider"]]


_LOOKED_AT = 100
"""How many of the newest checkpoints of each service."""


async def checkpoints(sources: Sources) -> tuple[int, list[str]]:
    """Return how many of the services' newest checkpoints there are, and what is wrong with them or their rows."""
    try:
        keys = read_public_keys(Path(os.environ["SERVICECERT_SERVICE_KEYS"]))
    except (KeyError, OperatorError):
        # `ServiceKeys` says so.
        keys = {}
    found = [(service, await _checkpoints(sources, service, keys)) for service in SERVICES]
    return sum(number for _, (number, _) in found), [f"{of}: {fault}" for of, (_, faults) in found for fault in faults]


async def _checkpoints(sources: Sources, service: str, keys: TrustedKeys) -> tuple[int, list[str]]:
    rows = await in_schema(sources, service, QUERIES["checkpoints"], _LOOKED_AT + 1)
    stored = [Signed(*row) for row in reversed(rows)]
    before = stored.pop(0) if len(stored) > _LOOKED_AT else None
    if not stored:
        return 0, []
    verified = Verified()
    verify_checkpoints(verified, service, keys, stored, before)
    has_key = any(service in key.services for key in keys.values())
    wrong = [it for it in verified.findings if has_key or it.kind is not Kind.BAD_SIGNATURE]
    last = Checkpoint.read(stored[-1].text).heads
    heads = await in_schema(sources, service, QUERIES["heads"], list(last), [head.seq for head in last.values()])
    changed = sum(row["hash"] != last[row["chain"]].hash for row in heads)
    faults = [f"rows of {changed} chains differ from checkpoint {stored[-1].number}"] if changed else []
    return len(stored), [*(f"checkpoint {it.number}: {it.text}" for it in wrong), *faults]


async def past(sources: Sources) -> Sequence[Past]:
    """Return the databases and brokers that come from the past. Raises Stopped, OperatorError."""
    kafka = await sources.kafka()
    await sources.database()
    verifier = Verifier(read_public_keys(Path(setting("SERVICECERT_SERVICE_KEYS"))), kafka.cluster.prefix)
    async with part_reader(kafka.cluster) as reader:
        found = [
            await Fence(kafka.cluster, service, verifier).past(reader, partial(in_schema, sources, service))
            for service in SERVICES
        ]
    return [each for each in found if each is not None]


LOOKS = {
    "DatabaseDown": Look(open_database, check_reached),
    "DatabaseVersion": Look(settings, database.check_database_version),
    "DatabaseLink": Look(link, database.check_database_link),
    "Locks": Look(settings, database.check_locks),
    "Durability": Look(durability, database.check_durability),
    "Vacuum": Look(vacuum, database.check_vacuum),
    "TableLocked": Look(kept_locks, database.check_table_locks),
    "Transactions": Look(oldest_transaction, database.check_transactions),
    "ClockWrong": Look(clock, database.check_clock),
    "DatabaseDisk": Look(disk, database.check_space),
    "CrlDisk": Look(crl_disk, database.check_space),
    "Migrations": Look(migrations, database.check_migrations),
    "DatabaseRights": Look(
        roles,
        partial(counted, well="Each of {} roles has its own schema.", none="No service has one: see `Migrations`."),
    ),
    "AuditCheckpoints": Look(
        checkpoints, partial(counted, well="The newest {} follow each other.", none="There is no checkpoint yet.")
    ),
    "Fence": Look(past, database.check_fence),
}

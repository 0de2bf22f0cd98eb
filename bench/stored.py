"""Millions of finished cases in the tables of all services, copied from one, and what is read of them afterwards.

Each table gets one row for each case. Identifiers are spread over their whole range, and inserted in their order: the
indexes are as large as those of real cases, and are filled without random access. Left out are the inboxes, which are
pruned, and all but one of a service's 1 to 5 audit rows of a case.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from time import perf_counter
from uuid import uuid4

import asyncpg
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage.database import connected

WHOLE_UP_TO = 2_000_000
"""More cases than this have only what is indexed in their bodies, and audit rows at intake only.

So a case takes 4 kB instead of 19 kB.
"""

_CASE, _UUID, _KEY, _ACCOUNT = "hex::uuid::text", "hex::uuid", "hex || md5(hex)", "'account-' || n / 100"
# A serial number has no octet too many.
_SERIAL = "'40' || hex"
_AUDIT = {"chain": f"'{uuid4()}'::uuid", "seq": "n", "key": _CASE}

COPIED: Mapping[str, Mapping[str, str]] = {
    "intake.cases": {
        "case_id": _CASE,
        "account_id": _ACCOUNT,
        "body": f"""body || jsonb_build_object('case_id', {_CASE}, 'account_id', {_ACCOUNT},
            'certificate', body -> 'certificate' || jsonb_build_object('serial', {_SERIAL}))""",
    },
    "issuer.certificates": {"key": _CASE, "serial": _SERIAL, "key_sha256": _KEY},
    "notifier.orders": {"mail_id": _UUID},
    "revoker.statuses": {
        "key": _CASE,
        "serial": _SERIAL,
        "certificate": f"""certificate || jsonb_build_object('serial', {_SERIAL}, 'account_id', {_ACCOUNT},
            'key_sha256', {_KEY})""",
    },
    "notifier.ledgers": {
        "case_id": _UUID,
        "standing": f"""standing || jsonb_build_object(
            'correspondence', standing -> 'correspondence' || jsonb_build_object('account_id', {_ACCOUNT}),
            'certificate', standing -> 'certificate' || jsonb_build_object(
                'serial', {_SERIAL}, 'subject', 'CN=' || hex))""",
    },
    "notifier.mails": {"mail_id": _UUID, "case_id": _UUID},
    "notifier.deadlines": {"key": _CASE, "id": _UUID, "at": "at - n % 600 * interval '1 day'"},
    "intake.keys": {"key_sha256": _KEY},
    "issuer.key_owners": {"key_sha256": _KEY},
    **{f"{service}.audit": _AUDIT for service in SERVICES},
}
"""The tables that grow with the cases, the largest first, and the columns that differ from case to case."""

_SMALL: Mapping[str, Mapping[str, str]] = {
    "intake.cases": {"body": """'{"certificate": {}}'::jsonb"""},
    "issuer.certificates": {"tbs": r"'\x30'::bytea", "certificate": r"'\x30'::bytea", '"grant"': "'{}'::jsonb"},
    "notifier.orders": {"data": r"'\x7b'::bytea"},
    "revoker.statuses": {"certificate": "'{}'::jsonb"},
    "notifier.ledgers": {"standing": """'{"correspondence": {}, "certificate": {}}'::jsonb"""},
    "intake.audit": {"entry": "''"},
}
"""What replaces the bodies of the copied row where whole ones would take too much."""

_COLUMNS = """
select quote_ident(attname) from pg_attribute
where attrelid = $1::text::regclass and attnum > 0 and attgenerated = '' and attidentity = '' and not attisdropped
order by attnum
"""
_READ = """
select schemaname || '.' || relname as name, seq_scan,
       seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes as i where i.relid = t.relid)::bigint
from pg_stat_user_tables as t where schemaname || '.' || relname = any($1)
"""
_SIZES = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as octets,
       pg_indexes_size(c.oid) as indexes, greatest(c.reltuples, 0)::bigint as rows
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind = 'r' and c.reltuples > 1000 order by 2 desc
"""
_FLUSH_SECONDS = 11.0
"""An idle session of PostgreSQL reports what it read after at most 10 s."""

_WHILE_FILLING = {"autovacuum": "off", "full_page_writes": "off", "max_wal_size": "2GB", "synchronous_commit": "off"}


def grown_by(count: int) -> list[str]:
    return [each for each in COPIED if count <= WHOLE_UP_TO or not each.endswith(".audit") or each in _SMALL]


async def fill(system: System, count: int) -> None:
    """Stop the workers, add so many cases to the tables, which have some already, and print what that took."""
    is_whole = count <= WHOLE_UP_TO
    await system.stop_all()
    url = system.backends.admin_url
    turns = asyncio.Semaphore(os.cpu_count() or 1)
    async with connected(url) as connection:
        await _configure(connection, [f"set {name} = '{value}'" for name, value in _WHILE_FILLING.items()])
        before, started = await _size(connection), perf_counter()
        await asyncio.gather(
            *(_copy(url, each, count, {} if is_whole else _SMALL.get(each, {}), turns) for each in grown_by(count))
        )
        await _configure(connection, [f"reset {name}" for name in _WHILE_FILLING])
        await connection.execute("checkpoint")
        grown, seconds = await _size(connection) - before, perf_counter() - started
    bodies = "whole" if is_whole else "small"
    print(f"  {count} cases, {bodies} bodies: {seconds:.0f} s, {grown / 1e9:.1f} GB, {grown / count:.0f} bytes each")


async def reads(system: System) -> dict[str, tuple[int, int]]:
    """Return the sequential scans of each of these tables, and the rows read in it or in its indexes, until now."""
    await asyncio.sleep(_FLUSH_SECONDS)
    async with connected(system.backends.admin_url) as connection:
        return {name: (scans, rows) for name, scans, rows in await connection.fetch(_READ, list(COPIED))}


async def print_sizes(system: System) -> None:
    async with connected(system.backends.admin_url) as connection:
        for name, octets, indexes, rows in await connection.fetch(_SIZES, list(SERVICES)):
            sizes = f"{octets / 1e6:>9.0f} MB, of it indexes {indexes / 1e6:>6.0f} MB"
            print(f"  {name:<26}{rows:>10} rows {sizes}, {octets / rows:>6.0f} bytes a row", flush=True)


async def _copy(url: str, table: str, count: int, small: Mapping[str, str], turns: asyncio.Semaphore) -> None:
    async with turns, connected(url) as connection:
        columns = [name for (name,) in await connection.fetch(_COLUMNS, table)]
        shown = ", ".join(f"{small.get(name, name)} as {name}" for name in columns)
        values = ", ".join(COPIED[table].get(name, name) for name in columns)
        # A case's key is a UUID; the others are of what recurs.
        of_case = "where length(key) = 36" if table.endswith((".audit", ".deadlines")) else ""
        # Triggers and foreign keys rest: they guard single steps, and all of these were taken.
        await connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        await connection.execute(
            f"""
            insert into {table} ({", ".join(columns)}) select {values}
            from (select {shown} from {table} {of_case} limit 1) as copied
            cross join (
                select n, lpad(to_hex(n * 4294967295 / {count}), 8, '0') || substr(md5(n::text), 9) as hex
                from (select generate_series(1, {count}::bigint) as n) as numbers offset 0
            ) as identified
            """
        )
        await connection.execute(f"vacuum analyze {table}")


async def _configure(connection: asyncpg.Connection, changes: Iterable[str]) -> None:
    for change in changes:
        await connection.execute(f"alter system {change}")
    await connection.execute("select pg_reload_conf()")


async def _size(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("select pg_database_size(current_database())"))

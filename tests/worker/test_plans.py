"""What is asked all the time reads no table that grows: the plan for unknown values takes an index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from databases import administrator_of
from servicecert_intake import service as intake
from servicecert_issuer import service as issuer
from servicecert_notifier import service as notifier
from servicecert_revoker import service as revoker
from servicecert_worker.storage import QUERIES as WORKER
from toy import service as toy

FILL_DEADLINES = """
insert into deadlines (key, kind, id, at)
select n::text, 'remind', gen_random_uuid(), now() + n * interval '1 minute' from generate_series(1, 20000) as n
"""
FILL_STATUSES = """
insert into statuses (key, version, standing, issuer, serial, certificate)
select n::text, 1, 'valid', 'test-ec', lpad(to_hex(n), 8, '0'), jsonb_build_object('key_sha256', n)
from generate_series(1, 20000) as n
"""


@pytest.mark.parametrize(
    ("name", "migrations", "table", "fill", "query", "values"),
    [
        ("toy", toy.MIGRATIONS, "deadlines", FILL_DEADLINES, WORKER["waiting"], "(now())"),
    ],
)
async def test_a_large_table_is_not_read_whole(
    service_pool: Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]],
    name: str,
    migrations: Path,
    table: str,
    fill: str,
    query: str,
    values: str,
) -> None:
    pool = await service_pool(name, migrations)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(fill)
        await connection.execute(f"analyze {table}")
        await connection.execute(f"set local plan_cache_mode = force_generic_plan; prepare asked as {query}")
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain execute asked {values}"))
        await connection.execute("deallocate asked")
        assert f"Seq Scan on {table}" not in plan


FILL_CASES = """
insert into cases (case_id, version, state, account_id, body)
select gen_random_uuid(), 1, 'lapsed', 'account-' || n, jsonb_build_object('n', n) from generate_series(1, 20000) as n
"""
FILL_CERTIFICATES = """
insert into certificates (key, version, state, refusal)
select n::text, 1, 'refused', 'x' from generate_series(1, 20000) as n
"""
FILL_MAILS = """
insert into ledgers (case_id, version, standing) select gen_random_uuid(), 1, '{}' from generate_series(1, 20000);
insert into mails
(mail_id, case_id, kind, occasion, recipient, place, planned_at, state, attempts, answer, tried_at, settled_at)
select gen_random_uuid(), case_id, 'certificate-issued', 'x', 'orderer', 1, now(), 'handed-over', 1, '2xx', now(), now()
from ledgers;
"""


@pytest.mark.parametrize(
    ("name", "migrations", "table", "fill"),
    [
        ("intake", intake.MIGRATIONS, "deadlines", FILL_DEADLINES),
        ("intake", intake.MIGRATIONS, "cases", FILL_CASES),
        ("issuer", issuer.MIGRATIONS, "certificates", FILL_CERTIFICATES),
        ("revoker", revoker.MIGRATIONS, "statuses", FILL_STATUSES),
        ("notifier", notifier.MIGRATIONS, "mails", FILL_MAILS),
    ],
)
async def test_the_figures_read_no_large_table_whole(
    service_pool: Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]],
    name: str,
    migrations: Path,
    table: str,
    fill: str,
) -> None:
    pool = await service_pool(name, migrations)
    connection = await asyncpg.connect(await administrator_of(pool), server_settings={"search_path": name})
    scans = f"select seq_scan from pg_stat_xact_user_tables where relname = '{table}' and schemaname = '{name}'"
    try:
        async with connection.transaction():
            await connection.execute(f"set local session_replication_role = replica; {fill}")
            await connection.execute(f"analyze {table}")
            before = await connection.fetchval(scans)
            await connection.fetch("select * from worker_figures(now()) union all select * from figures(now())")
            assert await connection.fetchval(scans) == before
    finally:
        await connection.close()

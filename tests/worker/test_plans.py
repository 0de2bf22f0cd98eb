"""What is asked all the time reads no table that grows: the plan for unknown values takes an index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from servicecert_revoker import service as revoker
from servicecert_revoker.storage import QUERIES as REVOKER
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
        ("revoker", revoker.MIGRATIONS, "statuses", FILL_STATUSES, REVOKER["second_certificates"], ""),
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

"""F4: another login of the database cannot hold up a service by taking its advisory locks. And who leads a service."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from databases import operator
from servicecert_launcher import Parts
from servicecert_worker.runtime.turn import lock_of, read_salt
from servicecert_worker.storage import database, schema
from toy.stand import Stand, assert_exact, numbered


async def test_f4_an_operators_login_that_holds_guessed_locks_stops_no_turn(stand: Stand, parts: Parts) -> None:
    """Not even on a server whose administrator cannot keep the functions from other logins."""
    admin_url = f"{parts.database_url.rpartition('/')[0]}/{stand.url.rpartition('/')[2]}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("grant execute on function pg_advisory_lock(bigint), pg_advisory_lock(int, int) to public")
    case = uuid4()
    async with operator(stand.pool) as login:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.fetchval("select salt from toy.lock_salt")
        for name in (f"key/{case}", "lead", "checkpoints", *(f"owner/{number}" for number in range(100))):
            await login.execute("select pg_advisory_lock($1)", lock_of(b"", name))
        # What the numbers were without a secret.
        unsalted = int.from_bytes(blake2b(f"toy/{case}".encode(), digest_size=8).digest(), signed=True)
        await login.execute("select pg_advisory_lock($1)", unsalted)
        await login.execute("select pg_advisory_lock(7079, hashtext('toy'))")
        stand.work()
        await stand.send(numbered(case, "1", "2"))
        await assert_exact(stand, {case: ["1", "2"]})


async def test_f4_each_schema_draws_its_own_secret_and_keeps_it(database_url: str) -> None:
    urls = schema.prepare(database_url, {each: database.new_password() for each in ("intake", "issuer")})
    salts = set()
    for service, url in urls.items():
        for _ in range(2):
            schema.migrate(database_url, service, [Path("none")])
            pool = await database.open_pool(url, service)
            async with pool.acquire() as connection:
                salt = await read_salt(connection)
                assert await connection.fetchval("select lock_of('key/Ä')") == lock_of(salt, "key/Ä")
            pool.terminate()
            salts.add(salt)
    assert len(salts) == 2
    assert all(len(salt) == 32 for salt in salts)


async def test_of_two_sessions_the_first_leads_and_keeps_others_out(stand: Stand) -> None:
    async with stand.pool.acquire() as first, stand.pool.acquire() as second:
        assert await database.take_lead(first)
        assert not await database.take_lead(second)
        assert await database.take_lead(first)


async def test_a_restore_leads_with_another_login_than_the_workers(stand: Stand, parts: Parts) -> None:
    admin_url = f"{parts.database_url.rpartition('/')[0]}/{stand.url.rpartition('/')[2]}"
    with psycopg.connect(admin_url, autocommit=True, options="-c search_path=toy") as restore:
        restore.execute("select pg_advisory_lock(lock_of('lead'))")
        async with stand.pool.acquire() as worker:
            assert not await database.take_lead(worker)
            restore.execute("select pg_advisory_unlock_all()")
            assert await database.take_lead(worker)

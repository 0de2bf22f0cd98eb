"""Roles, schemas and migrations of the services."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest
from servicecert_launcher import free_port
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.storage import admission, database, schema

TAKEN_AWAY = "newer version of servicecert, which took away what"


def prepared(url: str, *services: str) -> dict[str, str]:
    return schema.prepare(url, {service: database.new_password() for service in services})


def test_several_may_migrate_at_once(database_url: str) -> None:
    urls = prepared(database_url, "intake", database.MIGRATOR)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: schema.migrate(urls[database.MIGRATOR], "intake", []), range(8)))
    with psycopg.connect(urls["intake"]) as connection:
        assert connection.execute("select count(*) from inbox").fetchone() == (0,)


async def test_a_service_cannot_read_anothers_schema(database_url: str) -> None:
    urls = prepared(database_url, "intake", "issuer")
    for service in urls:
        schema.migrate(database_url, service, [])
    pool = await database.open_pool(urls["intake"], "intake")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.fetch("select * from issuer.inbox")
    await pool.close()


async def test_preparing_again_changes_the_password_and_keeps_what_is_there(database_url: str) -> None:
    (first,) = prepared(database_url, "intake").values()
    schema.migrate(database_url, "intake", [])
    (second,) = prepared(database_url, "intake").values()
    await admission.check(second, "intake", [])
    with pytest.raises(OperatorError, match="refuses the password"):
        await admission.check(first, "intake", [])


def newer(folder: Path, *migrations: str) -> Path:
    """Return a folder with the migrations of another version."""
    folder.mkdir(exist_ok=True)
    for name in migrations:
        (folder / f"{name}.sql").write_text("select 1;")
    return folder


async def test_a_version_uses_a_schema_that_a_newer_one_expanded_and_leaves_its_rights(
    database_url: str, tmp_path: Path
) -> None:
    (url,) = prepared(database_url, "intake").values()
    folder = newer(tmp_path / "migrations", "0098.column")
    (tmp_path / "rights.sql").write_text("grant update on inbox to {service};")
    assert schema.migrate(database_url, "intake", [folder])
    assert not schema.migrate(database_url, "intake", [])
    await admission.check(url, "intake", [])
    with psycopg.connect(url) as connection:
        assert connection.execute("select has_table_privilege('inbox', 'update')").fetchone() == (True,)


async def test_a_version_that_knows_the_first_half_uses_a_schema_that_was_contracted(
    database_url: str, tmp_path: Path
) -> None:
    (url,) = prepared(database_url, "intake").values()
    newest = newer(tmp_path / "newest", "0098.column", "0099.table-gone.after-0098.column")
    before = newer(tmp_path / "before", "0098.column")
    assert schema.migrate(database_url, "intake", [newest])
    for folder in (newest, before):
        await admission.check(url, "intake", [folder])
    assert not schema.migrate(database_url, "intake", [before])
    with pytest.raises(OperatorError, match=TAKEN_AWAY) as caught:
        schema.migrate(database_url, "intake", [])
    assert caught.value.exit_code == 78
    with pytest.raises(OperatorError, match=TAKEN_AWAY) as caught:
        await admission.check(url, "intake", [])
    assert caught.value.exit_code == 78


async def test_a_service_waits_for_the_migration_of_its_version(database_url: str, tmp_path: Path) -> None:
    (url,) = prepared(database_url, "intake").values()
    (tmp_path / "0099.newer.sql").write_text("create table newer (id int);")
    with pytest.raises(OperatorError, match="may not use the schema 'intake': run `servicecert db migrate`") as caught:
        await admission.check(url, "intake", [])
    assert caught.value.exit_code == 69
    schema.migrate(database_url, "intake", [])
    await admission.check(url, "intake", [])
    with pytest.raises(OperatorError, match="lacks 1 migrations of this version: run `servicecert db m") as caught:
        await admission.check(url, "intake", [tmp_path])
    assert caught.value.exit_code == 69


async def test_a_schema_that_nobody_prepared_is_named(database_url: str) -> None:
    with pytest.raises(OperatorError, match="run `servicecert db prepare`"):
        schema.migrate(database_url, "intake", [])
    with pytest.raises(OperatorError, match="run `servicecert db prepare`"):
        await admission.check(database_url, "intake", [])


def test_a_schema_that_is_not_its_owner_s_is_not_migrated(database_url: str) -> None:
    prepared(database_url, "intake")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("alter schema intake owner to current_user")
    with pytest.raises(OperatorError, match="restore it with its owner"):
        schema.migrate(database_url, "intake", [])


async def test_the_role_of_another_service_is_refused_in_one_sentence(database_url: str) -> None:
    urls = prepared(database_url, "intake", "issuer")
    with pytest.raises(OperatorError, match="may not migrate the schema 'intake': set DATABASE_URL"):
        schema.migrate(urls["issuer"], "intake", [])
    schema.migrate(database_url, "intake", [])
    with pytest.raises(OperatorError, match="may not use the schema 'intake'"):
        await admission.check(urls["issuer"], "intake", [])


def test_a_server_that_is_too_old_is_refused_before_anything_is_made(database_url: str, monkeypatch) -> None:
    monkeypatch.setattr(schema, "_OLDEST", 99)
    with pytest.raises(OperatorError, match=r"is version \d+: use 99 or newer"):
        prepared(database_url, "intake")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select 1 from pg_namespace where nspname = 'intake'").fetchone() is None


async def test_a_server_without_a_free_connection_is_named_and_waited_for(database_url: str) -> None:
    (url,) = prepared(database_url, "intake").values()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            psycopg.sql.SQL("alter role {} connection limit 0").format(
                psycopg.sql.Identifier(urlsplit(url).username or "")
            )
        )
    with pytest.raises(OperatorError, match="has no free connection: raise its max_connections") as caught:
        await admission.check(url, "intake", [])
    assert caught.value.exit_code == 69


def test_a_wrong_password_is_one_sentence_without_it(database_url: str) -> None:
    wrong = database.url_of(database_url, urlsplit(database_url).username or "", "n0t-the-0ne")
    with pytest.raises(OperatorError, match="refuses the password of") as caught:
        schema.prepare(wrong, {})
    assert "n0t-the-0ne" not in str(caught.value)
    assert caught.value.exit_code == 77


async def both(url: str) -> tuple[str, int]:
    """Return the sentence and the code of both libraries: the workers' and the migrator's."""
    with pytest.raises(OperatorError) as refused:
        async with database.connected(url):
            pass
    with pytest.raises(OperatorError) as caught:
        schema.prepare(url, {})
    assert (str(refused.value), refused.value.exit_code) == (str(caught.value), caught.value.exit_code)
    return str(caught.value), caught.value.exit_code


def test_a_database_whose_ca_is_not_named_is_not_said_to_be_missing() -> None:
    said = asyncpg.ClientConfigurationError('root certificate file "/nowhere/root.crt" does not exist')
    refused = database.database_refused("postgresql://u@db.example.fi/servicecert?sslmode=verify-full", said)
    assert "cannot be verified without its CA: add sslrootcert=FILE to DATABASE_URL" in str(refused)


async def test_each_step_of_a_connection_has_its_sentence(database_url: str) -> None:
    (url,) = prepared(database_url, "intake").values()
    parts = urlsplit(database_url)
    server, name = database_url.rpartition("/")[0], parts.path.lstrip("/")
    login = repr(database.role_of(name, "intake"))
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f'revoke connect on database "{name}" from public')
    closed = f"127.0.0.1:{free_port()}"
    place = f"PostgreSQL at {parts.hostname}:{parts.port}"
    unreached = "start it, or correct DATABASE_URL."
    for wrong, code, sentence in (
        (f"{server}/nowhere", 78, f"{place} has no database 'nowhere': create it, or correct DATABASE_URL."),
        (f"postgresql://u@{closed}/d", 69, f"not answer at {closed} (the connection is refused): {unreached}"),
        ("postgresql://u@db.invalid/d", 69, f"not answer at db.invalid:5432 (its name is not known): {unreached}"),
        (url, 77, f"{place} does not let {login} connect to {name!r}: grant it CONNECT."),
        (f"{database_url}?sslmode=require", 69, "does not verify by TLS (it speaks no TLS there): correct sslmode"),
    ):
        found, exit_code = await both(wrong)
        assert sentence in found
        assert exit_code == code

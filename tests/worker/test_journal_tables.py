"""Every table of a service is in its journal or is named here, and each change of one that is reaches it (F7)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

import asyncpg
import psycopg
import pytest
from plans.filling import writable
from recycling import Migrated
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database
from servicecert_worker.storage.journal import NOTHING_SENT, Looks, Table, tables

OUTSIDE: Mapping[str, str] = {
    "changes": "what is not in the journal yet",
    "journal": "up to where the journal has what was sent of this database",
    "journaled": "which tables are in the journal: migrations write it",
    "inbox": "the ids follow from the rows of the audit",
    "lock_salt": "a secret, drawn for each database",
    "login_verifiers": "a secret: who loses it proposes the login again",
    "_yoyo_log": "migrations write it",
    "_yoyo_migration": "migrations write it",
    "_yoyo_version": "migrations write it",
    "yoyo_lock": "migrations write it",
}
"""The tables that are not in the journal, and why."""

_TABLES = "select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')"
_JOURNALED = "select tgname from pg_trigger where tgrelid = %s::regclass and starts_with(tgname, 'journaled')"
_REFERENCES = """
select conrelid::regclass::text, confrelid::regclass::text from pg_constraint
where contype = 'f' and conrelid::regclass::text = any(%s)
"""
CASE = "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"
_NO_NOTE = {("audit", "delete"), ("events", "update"), ("events", "delete")}
"""What nobody does, or what the journal need not have: an event that is deleted here is old."""


@pytest.fixture
def installed(migrated: Callable[..., Migrated]) -> Migrated:
    return migrated(**{service: [import_module(f"servicecert_{service}.service").MIGRATIONS] for service in SERVICES})


@pytest.fixture(params=SERVICES)
def schema(request: pytest.FixtureRequest, installed: Migrated) -> Iterator[psycopg.Connection[Any]]:
    """The schema of each service, as its administrator."""
    with psycopg.connect(installed.admin_url, autocommit=True) as connection:
        connection.execute(f"set search_path = {request.param}".encode())
        yield connection


def one(connection: psycopg.Connection[Any], query: str, *arguments: object) -> Any:
    """Return the only value of a query."""
    row = connection.execute(query.encode(), arguments).fetchone()
    assert row is not None
    return row[0]


@asynccontextmanager
async def beside(schema: psycopg.Connection[Any]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Another connection to a schema."""
    info, path = schema.info, one(schema, "show search_path")
    connection = await asyncpg.connect(
        host=info.host,
        port=info.port,
        user=info.user,
        password=info.password,
        database=info.dbname,
        server_settings={"search_path": path},
    )
    try:
        yield connection
    finally:
        await connection.close()


async def journaled(connection: asyncpg.Connection[Any], found: Sequence[Table]) -> Mapping[str, list[Any]]:
    """Return what the relay would send of each table, and forget it."""
    sent: dict[str, list[Any]] = defaultdict(list)
    async with Looks(found).look(connection, NOTHING_SENT) as look:
        async for row in look.rows():
            for _, _, held in json.loads(f"[{row['groups'] or ''}]"):
                for table, of in held.items():
                    sent[table].append(of)
            if row["id"] is not None:
                sent["events"].append([row["event_id"]])
    await connection.execute("delete from changes")
    return sent


def notes(connection: psycopg.Connection[Any]) -> list[tuple[str, list[str]]]:
    """Return the notes, and forget them."""
    rows = connection.execute("delete from changes returning name, keys").fetchall()
    return [(name, keys) for name, keys in rows]


async def test_F7_every_table_is_in_the_journal_or_is_named_here_with_the_reason(
    schema: psycopg.Connection[Any],
) -> None:
    names = {name for (name,) in schema.execute(_TABLES).fetchall()}
    async with beside(schema) as connection:
        inside = {table.name for table in await tables(connection)}
    assert not inside & OUTSIDE.keys()
    assert names - inside == names & OUTSIDE.keys(), "put it into the journal by keep_in_journal, in its migration"


async def test_f4_the_service_may_read_what_is_in_its_journal(schema: psycopg.Connection[Any]) -> None:
    async with beside(schema) as connection:
        inside = await tables(connection)
    for table in inside:
        may = "select has_table_privilege(current_database() || '_' || current_schema(), %s, 'select')"
        assert one(schema, may, table.name), f"grant select on {table.name} in rights.sql"


async def test_F7_a_row_comes_after_the_one_that_it_refers_to(schema: psycopg.Connection[Any]) -> None:
    async with beside(schema) as connection:
        order = [table.name for table in await tables(connection)]
    for referring, referred in schema.execute(_REFERENCES, (order,)).fetchall():
        assert order.index(referred) <= order.index(referring)


async def test_F7_each_change_of_a_row_outside_a_turn_is_in_what_is_sent_next(
    schema: psycopg.Connection[Any],
) -> None:
    async with beside(schema) as connection:
        inside = await tables(connection)
        await journaled(connection, inside)
        for table in inside:
            insert, update = writable(schema, table.name)
            schema.execute(f"alter table {table.name} disable trigger user".encode())
            for (trigger,) in schema.execute(_JOURNALED, (table.name,)).fetchall():
                schema.execute(f"alter table {table.name} enable trigger {trigger}".encode())
            acts = {"insert": f"{insert} generate_series(1, 1) as n", "update": update}
            for act, statement in {**acts, "delete": f"delete from {table.name}"}.items():
                schema.execute(statement.encode())
                sent = (await journaled(connection, inside))[table.name]
                if (table.name, act) not in _NO_NOTE:
                    assert [bool(rows) for rows in sent] == [act != "delete"], (table.name, act)


def test_F7_a_turn_notes_its_keys_by_the_audit_and_other_rows_by_themselves(installed: Migrated) -> None:
    with psycopg.connect(installed.urls["intake"], autocommit=True) as service:
        service.execute("set search_path = intake")
        notes(service)
        with service.transaction():
            service.execute("set local servicecert.turn = 'on'")
            service.execute("insert into deadlines (key, kind, id, at) values ('k', 'x', gen_random_uuid(), now())")
            service.execute("insert into origins (name, id) values ('n', 'i')")
            service.execute("insert into audit_chains (chain) values (gen_random_uuid())")
            service.execute(
                "insert into audit (chain, seq, at, key, entry, hash) "
                "select chain, n, now(), 'k', '', sha256('') from audit_chains, generate_series(1, 2) as n"
            )
        found = notes(service)
        assert Counter(name for name, _ in found) == {"origins": 1, "audit_chains": 1, "audit": 1, "key": 1}
        assert ("key", ["k"]) in found
        assert sorted(len(keys) for _, keys in found) == [1, 1, 1, 2]
        service.execute("delete from deadlines")
        assert notes(service) == [("key", ["k"])]


def test_f4_who_calls_a_function_cannot_keep_its_changes_out_of_the_journal(installed: Migrated) -> None:
    """Of a case that was refused long ago nothing is left but a deadline: erasing it writes no row of the audit."""
    with psycopg.connect(installed.admin_url, autocommit=True) as connection:
        connection.execute("set search_path = issuer, pg_temp")
        connection.execute(
            "insert into certificates (key, version, state, refusal, ended_at) "
            "values (%s, 1, 'refused', 'x', now() - interval '6 years')",
            (CASE,),
        )
        connection.execute(
            "insert into deadlines (key, kind, id, at) values (%s, 'x', gen_random_uuid(), now())", (CASE,)
        )
        notes(connection)
        with acting_as(connection, installed, database.ERASER):
            connection.execute("set servicecert.turn = 'on'")
            assert one(connection, "select erase(%s)", CASE)
        assert notes(connection) == [("key", [CASE])]


def test_f4_what_operators_write_themselves_is_noted_though_they_write_no_note(installed: Migrated) -> None:
    with psycopg.connect(installed.admin_url, autocommit=True) as connection:
        connection.execute("set search_path = issuer, pg_temp")
        notes(connection)
        with acting_as(connection, installed, database.OPERATORS):
            connection.execute("insert into rechecks default values")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("insert into changes (name, keys) values ('key', '{}')")
        assert [name for name, _ in notes(connection)] == ["rechecks"]


@contextmanager
def acting_as(connection: psycopg.Connection[Any], installed: Migrated, login: str) -> Iterator[None]:
    connection.execute(f"set session authorization {database.role_of(installed.name, login)}".encode())
    yield
    connection.execute("reset session authorization")

"""Migrated databases that are emptied after a test and given to the next one: migrating takes longer than most tests.

A database in which a test changed more than rows, such as a table, a right or a role, is dropped instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
from databases import create_database, drop_database
from psycopg import sql
from psycopg.types.json import Jsonb
from servicecert_cli.operations.operators import prepare_logins
from servicecert_launcher import Parts
from servicecert_worker.storage import database, schema

Rows: TypeAlias = Mapping[str, list[Any]]

LARGE_BYTES = 4_000_000
"""A table of that size is not emptied: its database is dropped."""

_SHAPE = """
with own as (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
     roles as (select oid from pg_roles where starts_with(rolname, current_database() || '_'))
select md5(string_agg(part, '|' order by part)) from (
    select concat_ws(' ', 'relation', oid, relname, relkind, relowner, relacl, reloptions) from pg_class
    where relnamespace in (select oid from own)
    union all select concat_ws(' ', 'column', attrelid, attname, atttypid, attnotnull, attacl) from pg_attribute
    where attnum > 0 and attrelid in (select oid from pg_class where relnamespace in (select oid from own))
    union all select concat_ws(' ', 'trigger', tgrelid, tgname, tgenabled) from pg_trigger where not tgisinternal
    union all select concat_ws(' ', 'constraint', conrelid, conname, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace in (select oid from own)
    union all select concat_ws(' ', 'function', oid, proname, md5(prosrc), proowner, proacl) from pg_proc
    where pronamespace in (select oid from own)
    union all select concat_ws(' ', 'schema', oid, nspname, nspowner, nspacl) from pg_namespace
    union all select concat_ws(' ', 'role', oid, rolname, rolcanlogin, rolsuper, rolpassword) from pg_authid
    where oid in (select oid from roles)
    union all select concat_ws(' ', 'member', roleid, member, admin_option) from pg_auth_members
    where roleid in (select oid from roles)
    union all select concat_ws(' ', 'setting', setrole, setconfig) from pg_db_role_setting
    where setdatabase in (0, (select oid from pg_database where datname = current_database()))
    union all select concat_ws(' ', 'database', datacl, datconnlimit) from pg_database
    where datname = current_database()
) as parts (part)
"""
_TABLES = """
select format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and pg_relation_size(c.oid) > 0
"""
_SEQUENCES = """
select format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value), last_value is not null
from pg_sequences
"""
_INSERT = "insert into {0} overriding system value select * from jsonb_populate_recordset(null::{0}, %s)"
_ROLES = "select rolname from pg_roles where starts_with(rolname, current_database() || '_') order by rolcanlogin desc"
_END_OTHERS = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Migrated:
    """A database with schemas of services. `urls` are those of the services' roles, `admin_url` is a superuser's."""

    name: str
    admin_url: str
    urls: Mapping[str, str]
    shape: str
    roles: frozenset[str]
    rows: Rows
    sequences: Sequence[tuple[Any, ...]]


Schemas: TypeAlias = tuple[tuple[str, tuple[Path, ...]], ...]


class Recycler:
    """The databases of one process of tests, by their schemas."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._free: dict[Schemas, list[Migrated]] = defaultdict(list)

    def take(self, schemas: Schemas) -> Migrated:
        """Return a database with nothing but what the migrations of these schemas wrote."""
        return self._free[schemas].pop() if self._free[schemas] else self._make(schemas)

    def give_back(self, schemas: Schemas, migrated: Migrated) -> None:
        """Empty a database for the next test, or drop it."""
        if _emptied(migrated):
            self._free[schemas].append(migrated)
        else:
            drop_database(self._parts, migrated.name)

    def close(self) -> None:
        """Drop all that are free."""
        for databases in self._free.values():
            for migrated in databases:
                drop_database(self._parts, migrated.name)

    def _make(self, schemas: Schemas) -> Migrated:
        name = f"recycled_{uuid4().hex[:12]}"
        admin_url = create_database(self._parts, name)
        urls = schema.prepare(admin_url, {service: database.new_password() for service, _ in schemas})
        for service, folders in schemas:
            schema.migrate(admin_url, service, folders)
        if "revoker" in urls:
            with psycopg.connect(admin_url) as connection:
                prepare_logins(connection)
        with psycopg.connect(admin_url, autocommit=True) as connection:
            rows, sequences = _rows(connection, _tables(connection)), connection.execute(_SEQUENCES).fetchall()
            return Migrated(name, admin_url, urls, _shape(connection), _roles(connection), rows, sequences)


def _emptied(migrated: Migrated) -> bool:
    """Bring a database back to how it was, unless more than its rows changed."""
    with psycopg.connect(migrated.admin_url, autocommit=True) as connection:
        connection.execute(_END_OTHERS)
        for (role,) in connection.execute(_ROLES).fetchall():
            if role not in migrated.roles:
                try:
                    connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
                except psycopg.errors.DependentObjectsStillExist:
                    return False
        tables = _tables(connection)
        if _shape(connection) != migrated.shape or any(size > LARGE_BYTES for size in tables.values()):
            return False
        first = {table: size for table, size in tables.items() if table in migrated.rows}
        changed = {table for table, rows in _rows(connection, first).items() if rows != migrated.rows[table]}
        with connection.transaction():
            # Neither triggers nor foreign keys: both are as they were once all rows are.
            connection.execute("set local session_replication_role = replica")
            for table in changed | (tables.keys() - first.keys()):
                connection.execute(sql.SQL("delete from {}").format(_named(table)))
            for table in changed:
                connection.execute(sql.SQL(_INSERT).format(_named(table)), [Jsonb(migrated.rows[table])])
        with connection.cursor() as cursor:
            cursor.executemany("select setval(%s::regclass, %s, %s)", migrated.sequences)
    return True


def _named(table: str) -> sql.SQL:
    return sql.SQL(table)  # quoted by the database


def _shape(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute(_SHAPE).fetchone()
    assert row is not None
    return str(row[0])


def _roles(connection: psycopg.Connection[Any]) -> frozenset[str]:
    return frozenset(role for (role,) in connection.execute(_ROLES).fetchall())


def _tables(connection: psycopg.Connection[Any]) -> dict[str, int]:
    return dict(connection.execute(_TABLES).fetchall())


def _rows(connection: psycopg.Connection[Any], tables: Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the rows of tables."""
    if not tables:
        return {}
    each = "select {}, coalesce((select jsonb_agg(t order by t::text) from {} t), '[]')"
    query = sql.SQL(" union all ").join(sql.SQL(each).format(sql.Literal(name), _named(name)) for name in tables)
    return dict(connection.execute(query).fetchall())


def schemas(**folders: Sequence[Path]) -> Schemas:
    """Return the key of a database that has these services' schemas."""
    return tuple((service, tuple(each)) for service, each in sorted(folders.items()))

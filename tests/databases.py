"""Databases of their own for tests, on the one server."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psycopg
from psycopg import sql
from servicecert_launcher import Parts, Postgres
from servicecert_worker.storage import database

SETTINGS = {"fsync": "off", "scram_iterations": "1"}
"""Tests kill the server and not the machine: what was written survives that without being forced to the disk.

Their passwords are random, so nothing is won by hashing them thousands of times for each connection.
"""

_ADMINISTRATORS: dict[str, str] = {}


def stop_immediate(postgres: Postgres) -> None:
    """Stop a server like `pg_ctl stop -m immediate`, without a checkpoint; `restart` then recovers."""
    postgres._running().stop(60, signal.SIGQUIT)


@contextmanager
def new_database(parts: Parts, name: str) -> Iterator[str]:
    """A new database, as its administrator; it is dropped afterwards, with its roles."""
    try:
        yield create_database(parts, name)
    finally:
        drop_database(parts, name)


def create_database(parts: Parts, name: str) -> str:
    """Return the administrator's URL of a new database."""
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    _ADMINISTRATORS[name] = urlunsplit(urlsplit(parts.database_url)._replace(path=f"/{name}"))
    return _ADMINISTRATORS[name]


def drop_database(parts: Parts, name: str) -> None:
    """Drop a database and its roles."""
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        # Logins first: a role that made some stays until they are gone.
        own = "select rolname from pg_roles where starts_with(rolname, %s) order by rolcanlogin desc"
        for (role,) in connection.execute(own, (f"{name}_",)).fetchall():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


class Backup:
    """A copy of a database, which may take the database's place: the database as it was at an earlier moment.

    Who is connected loses the connection.
    """

    def __init__(self, admin_url: str, name: str) -> None:
        self._url = admin_url
        self._name = name
        self._copy = f"{name}_backup"

    def take(self) -> None:
        """Copy the database. Nobody may be connected meanwhile."""
        self._do("alter database {0} allow_connections false")
        self._do("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = {2}")
        self._do("create database {1} template {0}")
        self._do("alter database {0} allow_connections true")

    def restore(self) -> None:
        """Put the copy into the database's place."""
        self._do("drop database {0} with (force)")
        self._do("alter database {1} rename to {0}")

    def drop(self) -> None:
        """Drop the copy if it is there."""
        self._do("drop database if exists {1} with (force)")

    def _do(self, statement: str) -> None:
        names = sql.Identifier(self._name), sql.Identifier(self._copy), sql.Literal(self._name)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*names))


@asynccontextmanager
async def operator(pool: asyncpg.Pool[Any]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of an operator's login to a pool's schema, as `administer` knows it."""
    row = await pool.fetchrow("select current_database() as database, current_schema() as schema")
    assert row is not None
    login, password = f"{row['database']}_an_operator_{uuid4().hex[:8]}", database.new_password()
    group = database.role_of(row["database"], database.OPERATORS)
    await administer(pool, f"create role {login} login password '{password}' in role {group}")
    url = database.url_of(await administrator_of(pool), login, password)
    connection = await asyncpg.connect(url, server_settings={"search_path": row["schema"]})
    try:
        yield connection
    finally:
        await connection.close()


async def administrator_of(pool: asyncpg.Pool[Any]) -> str:
    """Return the administrator's URL of a pool's database."""
    return _ADMINISTRATORS[await pool.fetchval("select current_database()")]


async def administer(pool: asyncpg.Pool[Any], statement: str, *arguments: Any) -> None:
    """Do in a pool's schema, as the administrator of a `new_database`, what the service's role may not (F4)."""
    schema = await pool.fetchval("select current_schema()")
    connection = await asyncpg.connect(await administrator_of(pool), server_settings={"search_path": schema})
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()

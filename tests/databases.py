"""Databases of their own for tests, on the one server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psycopg
from psycopg import sql
from servicecert_deploy import Parts
from servicecert_worker.storage import database

SETTINGS = {"fsync": "off"}
"""Tests kill the server and not the machine: what was written survives that without being forced to the disk."""

_ADMINISTRATORS: dict[str, str] = {}


@contextmanager
def new_database(parts: Parts, name: str) -> Iterator[str]:
    """A new database, as its administrator; it is dropped afterwards, with its roles."""
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        _ADMINISTRATORS[name] = urlunsplit(urlsplit(parts.database_url)._replace(path=f"/{name}"))
        yield _ADMINISTRATORS[name]
    finally:
        with psycopg.connect(parts.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            # Logins first: a role that made some stays until they are gone.
            own = "select rolname from pg_roles where starts_with(rolname, %s) order by rolcanlogin desc"
            roles = connection.execute(own, (f"{name}_",))
            for (role,) in roles.fetchall():
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@asynccontextmanager
async def operator(pool: asyncpg.Pool[Any]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of an operator's login to a pool's schema, as `administer` knows it."""
    row = await pool.fetchrow("select current_database() as database, current_schema() as schema")
    assert row is not None
    login, password = f"{row['database']}_an_operator_{uuid4().hex[:8]}", database.new_password()
    group = database.role_of(row["database"], database.OPERATORS)
    await administer(pool, f"create role {login} login password '{password}' in role {group}")
    url = database.url_of(_ADMINISTRATORS[row["database"]], login, password)
    connection = await asyncpg.connect(url, server_settings={"search_path": row["schema"]})
    try:
        yield connection
    finally:
        await connection.close()


async def administer(pool: asyncpg.Pool[Any], statement: str, *arguments: Any) -> None:
    """Do in a pool's schema, as the administrator of a `new_database`, what the service's role may not (F4)."""
    row = await pool.fetchrow("select current_database() as database, current_schema() as schema")
    assert row is not None
    connection = await asyncpg.connect(_ADMINISTRATORS[row["database"]], server_settings={"search_path": row["schema"]})
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()

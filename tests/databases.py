"""Databases of their own for tests, on the one server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from servicecert_deploy import Parts


@contextmanager
def new_database(parts: Parts, name: str) -> Iterator[str]:
    """A new database, as its administrator; it is dropped afterwards, with its roles."""
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        yield parts.database_url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(parts.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            roles = connection.execute("select rolname from pg_roles where starts_with(rolname, %s)", (f"{name}_",))
            for (role,) in roles.fetchall():
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))

"""Database logins of persons: the database knows which two operators decided (D2), and readers change nothing (F4)."""

import os
import re
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql
from servicecert_worker.storage import database

from ..faults import UserError

MOST_LETTERS = 63


def add_operator(admin_url: str, name: str) -> str:
    """Make a login of the group of operators. Return its URL. Raises UserError."""
    return _add_login(admin_url, name, "operator", database.OPERATORS)


def add_reader(admin_url: str, name: str) -> str:
    """Make a login of the group of readers. Return its URL. Raises UserError."""
    return _add_login(admin_url, name, "reader", database.READERS)


def _add_login(admin_url: str, name: str, kind: str, group: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise UserError(f"{name!r} is not a valid name: use up to 31 lower-case letters, digits and hyphens.", 2)
    password = database.new_password()
    try:
        with closing(psycopg.connect(admin_url, connect_timeout=5, autocommit=True)) as connection:
            role = f"{connection.info.dbname}_{kind}_{name}"
            if len(role) > MOST_LETTERS:
                raise UserError(f"The login {role} is longer than {MOST_LETTERS} letters: choose a shorter name.", 2)
            with connection.transaction():
                _make(connection, role, password, group)
    except psycopg.OperationalError as fault:
        raise database.database_refused(admin_url, str(fault)) from None
    except psycopg.errors.UndefinedObject:
        raise UserError("The database is not prepared: run `servicecert db prepare` first.", os.EX_CONFIG) from None
    except psycopg.errors.InsufficientPrivilege:
        raise UserError(
            "The role of DATABASE_URL may not create roles: use the administrator's.", os.EX_NOPERM
        ) from None
    return database.url_of(admin_url, role, password)


def _make(connection: psycopg.Connection[Any], role: str, password: str, group: str) -> None:
    name = connection.info.dbname
    if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None:
        connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
    connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password)))
    connection.execute(
        sql.SQL("grant {} to {}").format(sql.Identifier(database.role_of(name, group)), sql.Identifier(role))
    )
    connection.execute(
        sql.SQL("alter role {} in database {} set search_path = revoker").format(
            sql.Identifier(role), sql.Identifier(name)
        )
    )

"""Operators' database logins, so that the database knows which two operators decided (D2)."""

import os
import re
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql
from servicecert_worker.storage import database

from ..faults import UserError

MOST_LETTERS = 63
_GRANTS = (
    "grant usage on schema revoker to {group}",
    "grant execute on function revoker.propose, revoker.confirm, revoker.drop_proposal to {group}",
    "grant select on revoker.proposals, revoker.proposal_items, revoker.compromised_keys,"
    " revoker.operators_certificates to {group}",
)


def add_operator(admin_url: str, name: str) -> str:
    """Make a login that may only read proposals, propose, confirm and drop. Return its URL. Raises UserError."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise UserError(f"{name!r} is not a valid name: use up to 31 lower-case letters, digits and hyphens.", 2)
    password = database.new_password()
    try:
        with closing(psycopg.connect(admin_url, connect_timeout=5, autocommit=True)) as connection:
            role = f"{connection.info.dbname}_operator_{name}"
            if len(role) > MOST_LETTERS:
                raise UserError(f"The login {role} is longer than {MOST_LETTERS} letters: choose a shorter name.", 2)
            with connection.transaction():
                _make(connection, role, password)
    except psycopg.OperationalError as fault:
        raise database.database_refused(admin_url, str(fault)) from None
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.InvalidParameterValue,
    ):
        raise UserError(
            "The schema 'revoker' is not prepared: run `servicecert db prepare`, then start revoker once.", os.EX_CONFIG
        ) from None
    except psycopg.errors.InsufficientPrivilege:
        raise UserError(
            "The role of DATABASE_URL may not create roles: use the administrator's.", os.EX_NOPERM
        ) from None
    return database.url_of(admin_url, role, password)


def _make(connection: psycopg.Connection[Any], role: str, password: str) -> None:
    name = connection.info.dbname
    group = f"{name}_operators"
    for each, kind in ((group, "nologin"), (role, "login")):
        if connection.execute("select 1 from pg_roles where rolname = %s", (each,)).fetchone() is None:
            connection.execute(sql.SQL(f"create role {{}} {kind}").format(sql.Identifier(each)))
    connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password)))
    connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(role)))
    connection.execute(
        sql.SQL("alter role {} in database {} set search_path = revoker").format(
            sql.Identifier(role), sql.Identifier(name)
        )
    )
    # Only an object's owner can grant rights on it.
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(database.role_of(name, "revoker"))))
    for grant in _GRANTS:
        connection.execute(sql.SQL(grant).format(group=sql.Identifier(group)))
    connection.execute("reset role")

"""Logins of persons: the database knows which two operators decided (D2), and readers change nothing (F4).

The administrator makes the first two operators. After that the operators themselves decide who has a login, by
proposals that the database carries out: a role that cannot log in, and may only make roles, owns the function that
changes logins, and only the owner of the revoker's schema may call it, which does so for a confirmed proposal.
"""

import os
import re
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from pathlib import Path

import psycopg
from psycopg import sql
from servicecert_worker.storage import database, schema

from ..faults import UserError
from .files import file_errors

MOST_LETTERS = 63
_ROUNDS = 4096
_CHANGE = """
create or replace function operator_logins.change(kind text, login text, verifier text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    operators text := current_database() || '_operators';
begin
    if not starts_with(login, current_database() || '_operator_') then
        raise exception '% is no login of an operator', login using errcode = 'insufficient_privilege';
    elsif kind = 'operator-added' then
        execute format('create role %I login password %L', login, verifier);
        execute format('grant %I to %I', operators, login);
        execute format('alter role %I in database %I set search_path = revoker', login, current_database());
        -- A worker that needs a lock waits for who holds it.
        execute format('alter role %I set idle_in_transaction_session_timeout = 60000', login);
    elsif kind = 'operator-reset' then
        execute format('alter role %I password %L', login, verifier);
    else
        execute format('revoke %I from %I', operators, login);
        execute format('alter role %I nologin password null', login);
    end if;
end $$
"""


@dataclass(frozen=True, repr=False)
class Credential:
    """A password that only its operator knows, and the verifier by which PostgreSQL recognises it (RFC 5802)."""

    password: str
    verifier: str

    @classmethod
    def new(cls) -> "Credential":
        """Return a new one, of 192 bits."""
        password, salt = database.new_password(), secrets.token_bytes(16)
        salted = pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
        stored = sha256(digest(salted, b"Client Key", "sha256")).digest()
        server = digest(salted, b"Server Key", "sha256")
        encoded = [b64encode(part).decode() for part in (salt, stored, server)]
        return cls(password, f"SCRAM-SHA-256${_ROUNDS}:{encoded[0]}${encoded[1]}:{encoded[2]}")


def read_verifier(file: Path) -> str:
    """Return the verifier of a file that `proposals credential` wrote. Raises UserError."""
    with file_errors("read", file, "name the file that `proposals credential` wrote"):
        return file.read_text("utf-8", "replace").strip()


def fingerprint(verifier: str) -> str:
    """Return what two people compare: the SHA-256 of a verifier, in hexadecimal."""
    return sha256(verifier.encode()).hexdigest()


def login_of(database_name: str, name: str, kind: str = "operator") -> str:
    """Return an operator's or a reader's database role. Raises UserError."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise UserError(f"{name!r} is not a valid name: use up to 31 lower-case letters, digits and hyphens.", 2)
    login = f"{database_name}_{kind}_{name}"
    if len(login) > MOST_LETTERS:
        raise UserError(f"The login {login} is longer than {MOST_LETTERS} letters: choose a shorter name.", 2)
    return login


def add_operator(admin_url: str, name: str) -> str:
    """Make one of the first two logins, with a new password. Return its URL. Raises UserError."""
    credential = Credential.new()
    return database.url_of(admin_url, add_login(admin_url, name, credential.verifier), credential.password)


def add_reader(admin_url: str, name: str) -> str:
    """Make a login of the group of readers, with a new password. Return its URL. Raises UserError."""
    password = database.new_password()
    with _administering(admin_url) as connection:
        name_of_database = connection.info.dbname
        login = login_of(name_of_database, name, "reader")
        role = sql.Identifier(login)
        if connection.execute("select 1 from pg_roles where rolname = %s", (login,)).fetchone() is None:
            connection.execute(sql.SQL("create role {} login").format(role))
        group = sql.Identifier(database.role_of(name_of_database, database.READERS))
        connection.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("grant {} to {}").format(group, role))
    return database.url_of(admin_url, login, password)


def add_login(admin_url: str, name: str, verifier: str | None) -> str:
    """Make one of the first two logins; without a verifier it has no password. Return its role. Raises UserError."""
    with _administering(admin_url) as connection:
        login = login_of(connection.info.dbname, name)
        prepare_logins(connection)
        # Only an object's owner can grant rights on it.
        (owner,) = connection.execute("select nspowner::regrole::text from pg_namespace where nspname = 'revoker'")
        connection.execute(sql.SQL("set local role {}").format(sql.SQL(owner[0])))
        connection.execute("insert into revoker.operators (login) values (%s)", (login,))
        connection.execute("select operator_logins.change('operator-added', %s, %s)", (login, verifier))
        connection.execute("reset role")
    return login


@contextmanager
def _administering(admin_url: str) -> Iterator[psycopg.Connection]:
    """A transaction of the administrator. Raises UserError."""
    try:
        with schema.connected(admin_url) as connection, connection.transaction():
            yield connection
    except (
        psycopg.errors.UndefinedObject,
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
    ):
        raise UserError(
            "The database is not prepared: run `servicecert db prepare`, then `servicecert db migrate`.", os.EX_CONFIG
        ) from None
    except (psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation, psycopg.errors.DuplicateObject):
        raise UserError(
            "There are two operators already, or one of that name: operators themselves decide about all other logins, "
            "and about a lost one. See `servicecert proposals operator --help`.",
            os.EX_NOPERM,
        ) from None


def prepare_logins(connection: psycopg.Connection) -> None:
    """Make what changes operators' logins, in a transaction, in a prepared database. May be run again."""
    name = connection.info.dbname
    group, keeper = database.role_of(name, database.OPERATORS), f"{name}_operator_logins"
    if connection.execute("select 1 from pg_roles where rolname = %s", (keeper,)).fetchone() is None:
        connection.execute(sql.SQL("create role {} nologin createrole").format(sql.Identifier(keeper)))
    owner = connection.execute("select nspowner::regrole::text from pg_namespace where nspname = 'revoker'").fetchone()
    if owner is None:
        raise psycopg.errors.InvalidSchemaName
    kept, caller = sql.Identifier(keeper), sql.SQL(owner[0])
    for statement in (
        sql.SQL("grant {} to {} with admin option").format(sql.Identifier(group), kept),
        sql.SQL("grant {} to current_user").format(kept),
        sql.SQL("create schema if not exists operator_logins authorization {}").format(kept),
        sql.SQL("set local role {}").format(kept),
        sql.SQL(_CHANGE),
        sql.SQL("revoke execute on function operator_logins.change from public"),
        sql.SQL("grant usage on schema operator_logins to {}").format(caller),
        sql.SQL("grant execute on function operator_logins.change to {}").format(caller),
        sql.SQL("reset role"),
    ):
        connection.execute(statement)

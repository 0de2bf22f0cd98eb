"""A service's schema: its role, its migrations, its connections.

An administrator creates roles and schemas once (`prepare`); each service then migrates its own schema as its own role
(`migrate`), under an advisory lock, so that several workers may start at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import psycopg
import yoyo
from psycopg import sql

from ..faults import OperatorError

MIGRATIONS = Path(__file__).with_name("migrations")
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 20.0
_LOCK = 7077_0001
_OLDEST = 16
"""PostgreSQL 16 is the first with `is json`."""


def role_of(database: str, service: str) -> str:
    """Return a service's role in a database. Roles belong to the whole cluster, so the name includes the database."""
    return f"{database}_{service}"


def prepare(admin_url: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Create a role and a schema for each service, and return their database URLs by service.

    An existing role keeps its schema and gets the new password. No other role may use it. Raises `OperatorError`.
    """
    urls: dict[str, str] = {}
    with closing(_connect(admin_url)) as connection:
        database = connection.info.dbname
        if (version := connection.info.server_version // 10_000) < _OLDEST:
            raise OperatorError(f"PostgreSQL at {_place(admin_url)} is version {version}: use {_OLDEST} or newer.")
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            for service, password in passwords.items():
                role = sql.Identifier(role_of(database, service))
                schema = sql.Identifier(service)
                exists = connection.execute(
                    "select 1 from pg_roles where rolname = %s", (role_of(database, service),)
                ).fetchone()
                change = sql.SQL(
                    "alter role {} with login password {}" if exists else "create role {} login password {}"
                )
                connection.execute(change.format(role, sql.Literal(password)))
                connection.execute(sql.SQL("grant {} to current_user").format(role))
                connection.execute(sql.SQL("create schema if not exists {} authorization {}").format(schema, role))
                connection.execute(
                    sql.SQL("alter role {} in database {} set search_path = {}").format(
                        role, sql.Identifier(database), schema
                    )
                )
                urls[service] = url_of(admin_url, role_of(database, service), password)
    return urls


def new_password() -> str:
    """Return a random password of 192 bits, in URL-safe letters."""
    return secrets.token_urlsafe(24)


def url_of(url: str, user: str, password: str) -> str:
    """Return the URL of the same database for another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"))


def migrate(url: str, service: str, folders: Sequence[Path]) -> None:
    """Migrate the service's schema to this version: the worker's migrations, then the service's own.

    Raises `OperatorError` if the database cannot be reached or used, or its schema is of a newer version.
    """
    with closing(_connect(url)) as lock:
        schema = "select has_schema_privilege(oid, 'create') from pg_namespace where nspname = %s"
        if (may_create := lock.execute(schema, (service,)).fetchone()) is None:
            raise OperatorError(
                f"The database has no schema {service!r}: "
                "run `servicecert db prepare` with the administrator's DATABASE_URL."
            )
        if may_create == (False,):
            raise OperatorError(
                f"The role {lock.info.user!r} may not use the schema {service!r}: "
                f"set DATABASE_URL to the one that `servicecert db prepare` wrote for {service}."
            )
        lock.execute("select pg_advisory_lock(%s, hashtext(%s))", (7078, service))
        backend = yoyo.get_backend(_yoyo_url(url, service))
        try:
            migrations = yoyo.read_migrations(*(str(folder) for folder in (MIGRATIONS, *folders)))
            applied = set(backend.get_applied_migration_hashes())
            if unknown := applied - {migration.hash for migration in migrations}:
                raise OperatorError(
                    f"The schema {service!r} was made by a newer version of servicecert "
                    f"({len(unknown)} migrations are unknown to this one): start that version, or a newer one."
                )
            backend.apply_migrations(backend.to_apply(migrations))
        finally:
            backend.connection.close()


def _yoyo_url(url: str, service: str) -> str:
    parts = urlsplit(url)
    options = quote(f"-c search_path={service} -c lock_timeout=10s -c statement_timeout=60s")
    query = "&".join(filter(None, (parts.query, f"schema={service}", f"options={options}")))
    return urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query))


def _connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    try:
        return psycopg.connect(url, connect_timeout=int(CONNECT_SECONDS), autocommit=True)
    except psycopg.OperationalError as error:
        raise database_refused(url, str(error)) from None


def database_refused(url: str, text: str) -> OperatorError:
    """Return why a database refuses the connection, in one sentence without the password."""
    parts, place = urlsplit(url), _place(url)
    name = parts.path.lstrip("/") or "postgres"
    lowered = text.lower()
    if "password authentication failed" in lowered or "no password supplied" in lowered:
        return OperatorError(
            f"PostgreSQL at {place} refuses the password of {parts.username!r}: correct DATABASE_URL.", 77
        )
    if "does not exist" in lowered:
        return OperatorError(
            f"PostgreSQL at {place} has no database {name!r} or no role {parts.username!r}: "
            "create it, or correct DATABASE_URL.",
            78,
        )
    if "too many" in lowered or "connection slots" in lowered:
        return OperatorError(
            f"PostgreSQL at {place} has no free connection: raise its max_connections, or stop workers.", 69
        )
    return OperatorError(f"PostgreSQL does not answer at {place}: start it, or correct DATABASE_URL.", 69)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'the local socket'}:{parts.port or 5432}"


async def open_pool(url: str, service: str, size: int = 4) -> asyncpg.Pool[Any]:
    """Return a pool of connections to the service's schema, with timeouts, so that nothing waits for ever.

    Raises `OperatorError` for errors that a retry cannot fix, and what asyncpg raises for others.
    """
    try:
        return await asyncpg.create_pool(url, min_size=1, max_size=size, reset=_no_reset, **connection_options(service))
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise database_refused(url, str(error)) from None


async def _no_reset(_: object) -> None:
    """Skip asyncpg's reset: it costs a round trip, and we change no session state outside transactions."""


def connection_options(service: str) -> dict[str, Any]:
    """Return the options of a service's asyncpg connections."""
    return {
        "timeout": CONNECT_SECONDS,
        "command_timeout": COMMAND_SECONDS,
        "server_settings": {
            "search_path": service,
            "application_name": f"servicecert-{service}",
            "statement_timeout": "20s",
            "lock_timeout": "15s",
            "idle_in_transaction_session_timeout": "15s",
            "jit": "off",
        },
    }

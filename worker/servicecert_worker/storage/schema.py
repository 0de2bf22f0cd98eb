"""A service's schema, made by an administrator (`prepare`), and brought to a version by the migrator (`migrate`).

Workers do not load this: psycopg and yoyo are a tenth of what a worker would import.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import yoyo
from psycopg import sql

from ..core.faults import OperatorError
from . import rights
from .admission import MIGRATIONS, difference, newer, unprepared
from .database import (
    CONNECT_SECONDS,
    ERASER,
    MIGRATOR,
    MONITORING,
    SHARED,
    address_of,
    database_refused,
    new_password,
    owner_of,
    role_of,
    url_of,
)

_POLL_SECONDS = 0.2
_LOCK = 7077_0001
_OLDEST = 16
"""PostgreSQL 16 is the first with `is json`."""


def prepare(admin_url: str, passwords: Mapping[str, str | None]) -> dict[str, str]:
    """Create the roles and a schema for each service, and return the database URLs of those whose password is set.

    `passwords` has services and LOGINS; one that exists keeps its schema, and its password if none is given. Without
    one a new role gets a random one. Raises `OperatorError`.
    """
    known: dict[str, str] = {}
    with connected(admin_url) as connection:
        database = connection.info.dbname
        if (version := connection.info.server_version // 10_000) < _OLDEST:
            raise OperatorError(f"PostgreSQL at {address_of(admin_url)} is version {version}: use {_OLDEST} or newer.")
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            created = {it for it, kind in SHARED.items() if _create_role(connection, role_of(database, it), kind)}
            for name, password in passwords.items():
                role = role_of(database, name)
                is_new = _create_role(connection, role, "login") or name in created
                if password is not None or is_new:
                    known[name] = password or new_password()
                    change = sql.SQL("alter role {} with login password {}")
                    connection.execute(change.format(sql.Identifier(role), sql.Literal(known[name])))
                if name not in SHARED:
                    _prepare_schema(connection, database, name)
            rights.keep_locks(
                connection,
                [
                    *(role_of(database, name) for name in {*passwords, MIGRATOR} - {ERASER, MONITORING}),
                    *(owner_of(database, name) for name in passwords if name not in SHARED),
                ],
                role_of(database, ERASER),
            )
    return {name: url_of(admin_url, role_of(database, name), password) for name, password in known.items()}


def _create_role(connection: psycopg.Connection, role: str, kind: str) -> bool:
    is_new = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None
    if is_new:
        connection.execute(sql.SQL(f"create role {{}} {kind}").format(sql.Identifier(role)))
    return is_new


def _prepare_schema(connection: psycopg.Connection, database: str, service: str) -> None:
    role, owner, migrator = map(
        sql.Identifier, (role_of(database, service), owner_of(database, service), role_of(database, MIGRATOR))
    )
    schema = sql.Identifier(service)
    _create_role(connection, owner_of(database, service), "nologin")
    connection.execute(sql.SQL("grant {} to current_user").format(owner))
    connection.execute(sql.SQL("grant {} to {} with inherit false, set true").format(owner, migrator))
    connection.execute(sql.SQL("create schema if not exists {} authorization {}").format(schema, owner))
    connection.execute(
        sql.SQL("alter role {} in database {} set search_path = {}").format(role, sql.Identifier(database), schema)
    )


def migrate(url: str, service: str, folders: Sequence[Path]) -> bool:
    """Migrate a schema to this version, and grant exactly the rights of this version.

    `url` is the migrator's, or an administrator's. Several may migrate at once. Return False if the schema is of a
    newer version that this one can use: it is left as it is, with its rights. Raises `OperatorError` if the database
    cannot be reached or used, or this version cannot use its schema.
    """
    with connected(url) as connection:
        database, user = connection.info.dbname, connection.info.user
        owner = owner_of(database, service)
        if (whose := rights.owner(connection, service)) is None:
            raise OperatorError(unprepared(service))
        if whose != owner:
            raise OperatorError(
                f"The schema {service!r} belongs to {whose!r}, and `servicecert db prepare` gives it to {owner!r}: "
                "restore it with its owner, or name another database."
            )
        if connection.execute("select pg_has_role(%s, 'set')", (owner,)).fetchone() == (False,):
            raise OperatorError(
                f"The role {user!r} may not migrate the schema {service!r}: "
                "set DATABASE_URL to the migrator's, which `servicecert db prepare` wrote."
            )
        # Asked for again and again: an index that is made concurrently waits for all who wait in the database.
        while connection.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (7078, service)).fetchone() != (
            True,
        ):
            sleep(_POLL_SECONDS)
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(owner)))
        found = difference(_applied(connection, service), folders)
        if found.unusable:
            raise newer(service, found)
        if found.unknown:
            return False
        backend = yoyo.get_backend(_yoyo_url(url, service, owner))
        try:
            backend.apply_migrations(backend.to_apply(_migrations(folders)))
        finally:
            backend.connection.close()
        roles = {name: role_of(database, name) for name in SHARED} | {"service": role_of(database, service)}
        definitions = rights.read((MIGRATIONS, *folders), *rights.DEFINITIONS)
        rights.apply(connection, service, owner, roles, rights.read((MIGRATIONS, *folders)), definitions)
        return True


def _migrations(folders: Sequence[Path]) -> Any:
    return yoyo.read_migrations(*(str(folder) for folder in (MIGRATIONS, *folders)))


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Open a connection in which each statement is committed. Raises `OperatorError`, also for a lacking right."""
    try:
        connection = psycopg.connect(url, connect_timeout=int(CONNECT_SECONDS), autocommit=True)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise database_refused(url, error) from None
    with closing(connection):
        try:
            yield connection
        except psycopg.errors.InsufficientPrivilege as fault:
            text = f"The login {connection.info.user!r} may not do this ({fault.diag.message_primary}): "
            raise OperatorError(f"{text}use the administrator's DATABASE_URL.", 77) from None


def _applied(connection: psycopg.Connection, service: str) -> list[str]:
    try:
        rows = connection.execute(
            sql.SQL("select migration_id from {}._yoyo_migration").format(sql.Identifier(service))
        ).fetchall()
    except psycopg.errors.UndefinedTable:
        return []
    return [row[0] for row in rows]


def _yoyo_url(url: str, service: str, owner: str) -> str:
    parts = urlsplit(url)
    options = quote(f"-c role={owner} -c search_path={service} -c lock_timeout=10s -c statement_timeout=60s")
    query = "&".join(filter(None, (parts.query, f"schema={service}", f"options={options}")))
    return urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query))

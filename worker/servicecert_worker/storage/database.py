"""The services' schemas: who owns them, and connections to them (F4).

An administrator makes roles and schemas once (`prepare`). The migrator then migrates each schema as its owner, and the
services, which own nothing, check that they can use it: see `schema.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import closing
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit
from weakref import WeakSet

import asyncpg
import psycopg
from asyncpg.pool import PoolConnectionProxy
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ..core.faults import OperatorError
from . import rights

log = logging.getLogger(__name__)

MIGRATOR = "migrator"
"""The login that migrates: a member of each schema's owner."""
ERASER = "eraser"
"""The login that erases cases, by functions alone (E3)."""
MONITORING = "monitoring"
"""The login that reads the services' figures."""
OPERATORS = "operators"
"""The group of operators' logins."""
READERS = "readers"
"""The group of logins that look and change nothing."""
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 20.0
_LOCK = 7077_0001
_OLDEST = 16
"""PostgreSQL 16 is the first with `is json`."""
SHARED = {MIGRATOR: "login", ERASER: "login", MONITORING: "login", OPERATORS: "nologin", READERS: "nologin"}
LOGINS = tuple(name for name, kind in SHARED.items() if kind == "login")
"""The logins beside the services' own."""


def role_of(database: str, name: str) -> str:
    """Return the role of a service, of one of LOGINS, or of OPERATORS or READERS, in a database.

    Roles belong to the whole cluster, so the name includes the database.
    """
    return f"{database}_{name}"


def owner_of(database: str, service: str) -> str:
    return f"{database}_{service}_owner"


def prepare(admin_url: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Create the roles and a schema for each service, and return the database URLs by name of `passwords`.

    `passwords` has services and LOGINS; one that exists keeps its schema and gets the new password. Schemas
    that an older version gave to the services themselves go to their owners. Raises `OperatorError`.
    """
    with closing(connect(admin_url)) as connection:
        database = connection.info.dbname
        if (version := connection.info.server_version // 10_000) < _OLDEST:
            raise OperatorError(f"PostgreSQL at {_place(admin_url)} is version {version}: use {_OLDEST} or newer.")
        try:
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
                for name, kind in SHARED.items():
                    _create_role(connection, role_of(database, name), kind)
                for name, password in passwords.items():
                    role = role_of(database, name)
                    _create_role(connection, role, "login")
                    change = sql.SQL("alter role {} with login password {}")
                    connection.execute(change.format(sql.Identifier(role), sql.Literal(password)))
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
        except psycopg.errors.InsufficientPrivilege:
            raise OperatorError(
                f"The role {connection.info.user!r} may not create roles and schemas: use an administrator's.", 77
            ) from None
    return {name: url_of(admin_url, role_of(database, name), password) for name, password in passwords.items()}


def _create_role(connection: psycopg.Connection[Any], role: str, kind: str) -> None:
    if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None:
        connection.execute(sql.SQL(f"create role {{}} {kind}").format(sql.Identifier(role)))


def _prepare_schema(connection: psycopg.Connection[Any], database: str, service: str) -> None:
    role, owner, migrator = map(
        sql.Identifier, (role_of(database, service), owner_of(database, service), role_of(database, MIGRATOR))
    )
    schema = sql.Identifier(service)
    _create_role(connection, owner_of(database, service), "nologin")
    connection.execute(sql.SQL("grant {} to current_user").format(owner))
    connection.execute(sql.SQL("grant {} to {} with inherit false, set true").format(owner, migrator))
    before = connection.execute(
        "select nspowner::regrole::text from pg_namespace where nspname = %s", (service,)
    ).fetchone()
    if before is None:
        connection.execute(sql.SQL("create schema {} authorization {}").format(schema, owner))
    elif before[0] == role_of(database, service):
        connection.execute(sql.SQL("grant {} to current_user").format(role))
        connection.execute(sql.SQL("reassign owned by {} to {}").format(role, owner))
    connection.execute(
        sql.SQL("alter role {} in database {} set search_path = {}").format(role, sql.Identifier(database), schema)
    )


def new_password() -> str:
    """Return a random password of 192 bits, in URL-safe letters."""
    return secrets.token_urlsafe(24)


def url_of(url: str, user: str, password: str) -> str:
    """Return the URL of the same database for another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"))


def with_password(url: str, password: str) -> str:
    return url_of(url, unquote(urlsplit(url).username or ""), password)


def require_least_rights(url: str, service: str) -> None:
    """Raise `OperatorError` if the role has more rights than the service needs (F4)."""
    with closing(connect(url)) as connection:
        rights.require_least(connection, service)


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection in which each statement is committed. Raises `OperatorError`."""
    try:
        return psycopg.connect(url, connect_timeout=int(CONNECT_SECONDS), autocommit=True)
    except psycopg.OperationalError as error:
        raise database_refused(url, str(error)) from None


def database_refused(url: str, text: str) -> OperatorError:
    """Return why a database refuses the connection, in one sentence without the password."""
    parts, place = urlsplit(url), _place(url)
    name = parts.path.lstrip("/") or "postgres"
    lowered = text.lower()
    if (file := unreadable_file(url)) is not None:
        return OperatorError(f"{file} in DATABASE_URL cannot be read: correct sslrootcert, sslcert or sslkey there.")
    if "password authentication failed" in lowered or "no password supplied" in lowered:
        return OperatorError(
            f"PostgreSQL at {place} refuses the password of {parts.username!r}: correct DATABASE_URL.", 77
        )
    if (
        "certificate verify failed" in lowered
        or "certificate_verify_failed" in lowered
        or "does not match host" in lowered
    ):
        reason = "its name is another" if "match" in lowered else "another CA signed it, or it expired"
        return OperatorError(
            f"The certificate of PostgreSQL at {place} does not verify ({reason}): correct sslrootcert or the host "
            "in DATABASE_URL, or the server's certificate.",
            69,
        )
    if (
        "no pg_hba.conf entry" in lowered
        or "no encryption" in lowered
        or "requires a valid client certificate" in lowered
    ):
        return OperatorError(
            f"PostgreSQL at {place} refuses this way of connecting: add sslmode=verify-full to DATABASE_URL, and, "
            "if it wants client certificates, sslcert and sslkey.",
            77,
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
    address = urlsplit(url).netloc.rpartition("@")[2]
    return address if ":" in address else f"{address or 'the local socket'}:5432"


async def open_pool(url: str, service: str, known: KnownDatabase | None = None) -> asyncpg.Pool[Any]:
    """Return a pool of connections to the service's schema, with timeouts, so that nothing waits for ever.

    With `known` it connects to no other database than that. Raises `OperatorError` for errors that a retry cannot fix,
    and what asyncpg raises for others.
    """
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=4,
            init=None if known is None else known.admit,
            reset=_no_reset,
            **connection_options(service),
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise database_refused(url, str(error)) from None


async def _no_reset(_: object) -> None:
    """Skip asyncpg's reset: it costs a round trip, and we change no session state outside transactions."""


def connection_options(service: str, silent: str = "0") -> dict[str, Any]:
    """Return the options of a service's asyncpg connections.

    For one that holds a lock `silent` is how long PostgreSQL keeps the lock of a client that it does not hear: a cut
    network ends no connection.
    """
    return {
        "timeout": CONNECT_SECONDS,
        "command_timeout": COMMAND_SECONDS,
        "server_settings": {
            "search_path": service,
            "application_name": f"servicecert-{service}",
            "statement_timeout": "20s",
            "lock_timeout": "15s",
            "idle_in_transaction_session_timeout": "15s",
            "idle_session_timeout": silent,
            "jit": "off",
        },
    }


def unreadable_file(url: str) -> str | None:
    """Return a file of TLS that a URL names and that cannot be read, None if all can."""
    query = parse_qs(urlsplit(url).query)
    files = (file for name in ("sslrootcert", "sslcert", "sslkey") for file in query.get(name, ()) if file != "system")
    return next((file for file in files if not os.access(file, os.R_OK)), None)


def is_private(url: str) -> bool:
    """Return whether TLS verifies the server and its name, or the server is on this machine."""
    options = conninfo_to_dict(url)
    if options.get("sslmode") == "verify-full":
        return True
    return all(is_local(host) for name in ("host", "hostaddr") for host in str(options.get(name) or "").split(","))


def require_private(url: str) -> None:
    """Raise `OperatorError` if the connection can be read or changed on its way."""
    if not is_private(url):
        raise OperatorError(
            "DATABASE_URL reaches another machine without verified TLS, and production keys are open: add "
            "?sslmode=verify-full&sslrootcert=FILE, or, for a trial, set SERVICECERT_INSECURE=database."
        )


def is_local(host: str) -> bool:
    """Return whether a host of a database's URL is this machine."""
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_IDENTITY = """
select pg_postmaster_start_time()::text || ' ' || oid::text from pg_database where datname = current_database()
"""
"""Of the server's process and of the database in it. A server that recovered from a crash of one of its processes is
still the same."""


class DatabaseUnknown(ConnectionError):
    """A connection leads to a database that was not compared yet. It will be, so a retry helps."""


class KnownDatabase:
    """The database that a worker decides on: one whose tables were compared with the topics.

    A restore, and a failover to a replica, put another database behind the same address, and a running worker finds it
    there as after any lost connection. It may have forgotten what was decided, so nothing is read from it or decided on
    it before it was compared as at the start: see kafka/fence.py. Then no connection to the one before is left, as what
    was last committed there is not known here. The first one that is seen is known.
    """

    def __init__(self) -> None:
        self._identity: str | None = None
        self._asked = asyncio.Event()
        self._admitted: WeakSet[asyncpg.Connection[Any] | PoolConnectionProxy[Any]] = WeakSet()

    async def admit(self, connection: asyncpg.Connection[Any] | PoolConnectionProxy[Any]) -> None:
        """Check a new connection that is kept. Raises `DatabaseUnknown`, and what asyncpg raises."""
        identity = await connection.fetchval(_IDENTITY)
        if self._identity is None:
            self._identity = identity
        if identity != self._identity:
            if not self._asked.is_set():
                log.warning(
                    "Another database server answers: it is compared with the topics before anything is decided"
                )
            self._asked.set()
            raise DatabaseUnknown
        self._admitted.add(connection)

    async def accept(self, connection: asyncpg.Connection[Any]) -> None:
        """Note that the database of this connection was compared and knows all. Terminate the connections to others."""
        identity = await connection.fetchval(_IDENTITY)
        if identity != self._identity:
            for other in list(self._admitted):
                other.terminate()
        self._identity = identity
        self._asked.clear()

    async def another(self) -> None:
        await self._asked.wait()

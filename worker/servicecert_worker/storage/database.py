"""Connections to the services' schemas, and the names of those who use them (F4).

An administrator makes roles and schemas once, and the migrator then migrates each schema as its owner: see `schema.py`.
The services, which own nothing, check that they can use it: see `admission.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit, urlunsplit
from weakref import WeakSet

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ..core.faults import OperatorError

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
_ADDRESS = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::\d*)?")
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


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Connect with these of asyncpg's options. Raises `OperatorError` if the database refuses or does not answer."""
    try:
        connection = await asyncpg.connect(url, **options)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise database_refused(url, str(fault)) from None
    try:
        yield connection
    finally:
        connection.terminate()


def database_refused(url: str, text: str) -> OperatorError:
    """Return why a database refuses the connection, in one sentence without the password."""
    parts, place = urlsplit(url), address_of(url)
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


def address_of(url: str) -> str:
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
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if options.get("sslmode") == "verify-full":
        return True
    hosts = [host for name in ("host", "hostaddr") for host in options.get(name, "").split(",")]
    for address in parts.netloc.rpartition("@")[2].split(","):
        if (found := _ADDRESS.fullmatch(address)) is None:
            return False
        hosts.append(unquote(found[1] or found[2] or ""))
    return all(map(is_local, hosts))


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

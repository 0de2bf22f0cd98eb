"""Connections to the services' schemas, and the names of those who use them (F4).

An administrator makes roles and schemas once, and the migrator then migrates each schema as its owner: see `schema.py`.
The services, which own nothing, check that they can use it: see `admission.py`.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit
from weakref import WeakSet

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ..core.faults import OperatorError, failed_step
from . import QUERIES
from .database_url import fault_of

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


def url_for_others(url: str, ca: str | None) -> str:
    """Return the URL for another user: without a client certificate, and with where that one has the database's CA."""
    parts = urlsplit(url)
    options = {name: value for name, value in parse_qsl(parts.query) if name not in ("sslcert", "sslkey")}
    query = urlencode(options | ({"sslrootcert": ca} if ca else {}), safe="/", quote_via=quote)
    return urlunsplit(parts._replace(query=query))


def with_password(url: str, password: str) -> str:
    return url_of(url, unquote(urlsplit(url).username or ""), password)


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[asyncpg.Connection]:
    """Connect with these of asyncpg's options. Raises `OperatorError` if the database refuses or does not answer."""
    try:
        connection = await asyncpg.connect(url, **options)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise database_refused(url, fault) from None
    try:
        yield connection
    finally:
        connection.terminate()


_REFUSALS = (
    ("password auth|no password", 77, "refuses the password of {user}, or has no such login: correct {url}"),
    ("certificate authentication failed", 77, "refuses {user} with this client certificate: correct sslcert"),
    ("valid client certificate|certificate.required", 77, "wants a client certificate: add sslcert, sslkey to {url}"),
    ("no encryption|ssl off", 77, "refuses {user} without TLS: add sslmode=verify-full and sslrootcert to {url}"),
    ("no pg_hba.conf entry", 77, "has no rule for {user} from this machine: add one to its pg_hba.conf"),
    ("permission denied for database", 77, "does not let {user} connect to {name}: grant it CONNECT"),
    ("root certificate", 78, "cannot be verified without its CA: add sslrootcert=FILE to {url}"),
    ("role .* does not exist|not permitted to log in", 78, "has no login {user}: create it, or correct {url}"),
    ("does not exist", 78, "has no database {name}: create it, or correct {url}"),
    ("too many|connection slots", 69, "has no free connection: raise its max_connections, or stop workers"),
    ("unrecognized configuration|invalid uri", 78, "does not know a parameter after the ? of {url}: correct it"),
    ("starting up|shutting down|recovery", 69, "is starting or stopping: wait for it"),
    ("certif|ssl|tls", 69, "does not verify by TLS ({step}): correct sslmode, sslrootcert or the host in {url}"),
    ("", 69, "does not answer at {place} ({step}): start it, or correct {url}"),
)
"""What the server or a client library says, the exit code, and what an operator reads."""


def database_refused(url: str, error: BaseException) -> OperatorError:
    """Return at which step a connection to a database failed, in one sentence without the password."""
    if (wrong := fault_of(url)) is not None:
        return OperatorError(f"DATABASE_URL {wrong}.")
    parts, text = urlsplit(url), f"{type(error).__name__} {error}".lower()
    code, says = next((code, says) for pattern, code, says in _REFUSALS if re.search(pattern, text))
    names = {"user": repr(unquote(parts.username or "")), "name": repr(unquote(parts.path.lstrip("/")))}
    names |= {"place": address_of(url), "url": "DATABASE_URL", "step": failed_step(error)}
    where = "" if "{place}" in says else f" at {names['place']}"
    return OperatorError(f"PostgreSQL{where} {says.format(**names)}.", code)


def address_of(url: str) -> str:
    address = urlsplit(url).netloc.rpartition("@")[2]
    return address if ":" in address else f"{address or 'the local socket'}:5432"


async def open_pool(url: str, service: str, known: "KnownDatabase | None" = None) -> asyncpg.Pool:
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
        raise database_refused(url, error) from None


async def take_lead(connection: asyncpg.Connection) -> bool:
    """Return whether this session leads its service from now on, and nobody else. Raises what asyncpg raises."""
    return bool(await connection.fetchval(QUERIES["try_lock"], "lead"))


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
        self._admitted: WeakSet[asyncpg.Connection | PoolConnectionProxy] = WeakSet()

    async def admit(self, connection: asyncpg.Connection | PoolConnectionProxy) -> None:
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

    async def accept(self, connection: asyncpg.Connection) -> bool:
        """Note that the database of this connection was compared and knows all. Terminate the connections to others.

        Return whether there was another one: what is remembered of that one is to be forgotten at once.
        """
        identity = await connection.fetchval(_IDENTITY)
        is_another = self._identity not in (None, identity)
        if is_another:
            for other in list(self._admitted):
                other.terminate()
        self._identity = identity
        self._asked.clear()
        return is_another

    async def another(self) -> None:
        await self._asked.wait()

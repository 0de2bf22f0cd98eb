"""A connection to one service's schema, for commands."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.storage import database

from ..terminal import interruption
from .addresses import database_url

T = TypeVar("T")
_MAY_USE = "select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = $1"


def in_schema(
    service: str | None,
    work: Callable[[Any], Coroutine[None, None, T]],
    *,
    patient: bool = False,
    snapshot: bool = False,
) -> T:
    """Run `work` in one transaction on a connection to the service's schema, and return its result.

    A `service` of None is the one whose role DATABASE_URL names. `patient` work reads whole tables, without a time
    limit; a `snapshot` reads them at one moment. Raises OperatorError.
    """
    kind: dict[str, Any] = {"isolation": "repeatable_read", "readonly": True} if snapshot else {}

    async def run() -> T:
        async with (
            connected(database_url(), service, patient=patient or snapshot) as connection,
            connection.transaction(**kind),
        ):
            return await work(connection)

    return interruption.run(run())


@asynccontextmanager
async def connected(url: str, service: str | None, *, patient: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """Connect to the schema of `service`, or of the service whose role `url` names. Raises OperatorError.

    `patient` is for statements that read whole tables: they have no time limit.
    """
    service = service or _service_of(url)
    async with opened(url, service, patient=patient) as connection:
        if await connection.fetchval(_MAY_USE, service) is False:
            raise asyncpg.InsufficientPrivilegeError(f"permission denied for schema {service}")
        if not await connection.fetchval("select to_regclass('parked') is not null"):
            raise OperatorError(
                f"The schema {service!r} is not prepared: run `servicecert db prepare`, then `servicecert db migrate`."
            )
        yield connection


@asynccontextmanager
async def opened(url: str, schema: str, *, patient: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """Connect with a schema as search path. Raises OperatorError, also for a later outage or a long lock."""
    options = database.connection_options(schema)
    if patient:
        options |= {"command_timeout": None, "server_settings": options["server_settings"] | {"statement_timeout": "0"}}
    async with database.connected(url, **options) as connection:
        with explained(url, schema):
            yield connection


@contextmanager
def explained(url: str, schema: str) -> Iterator[None]:
    """Raise OperatorError for a lacking right, an outage of the database or a long lock within."""
    try:
        yield
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError):
        raise OperatorError(
            f"PostgreSQL took too long, or a row or table of {schema!r} is locked: try again later; "
            "`servicecert doctor --only TableLocked` says who locks a table.",
            os.EX_TEMPFAIL,
        ) from None
    except asyncpg.InsufficientPrivilegeError as fault:
        raise OperatorError(
            f"The login {unquote(urlsplit(url).username or '')!r} may not do this ({fault}): set DATABASE_URL to an "
            f"operator's, or to that of {schema} itself.",
            os.EX_NOPERM,
        ) from None
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError) as fault:
        raise database.database_refused(url, fault) from None


def _service_of(url: str) -> str:
    role = unquote(urlsplit(url).username or "")
    for service in SERVICES:
        if role == service or role.endswith(f"_{service}"):
            return service
    raise OperatorError("DATABASE_URL does not name a service's role: add --service.", 2)

"""A service's schema: its migrations, and which versions can use it.

The migrator brings a schema to its version (`migrate`). A worker checks that it can use the schema it finds (`check`).

A migration expands a schema: the version before works on it, so that workers are upgraded one by one, and downgraded
again. One that takes something away contracts it. Its file is named after the migration that ended the use,
`0012.state-text-gone.after-0011.state-enum.sql`: versions that know that one can use the schema, older ones cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import yoyo
from psycopg import sql

from ..core.faults import OperatorError
from . import rights
from .database import SHARED, connect, owner_of, role_of

_POLL_SECONDS = 0.2
MIGRATIONS = Path(__file__).with_name("migrations")
AFTER = ".after-"
"""In the name of a migration that contracts, before the name of the one that its users must know."""

_AS_OWNER = """
select set_config('role', rolname, false) from pg_namespace join pg_roles on pg_roles.oid = nspowner
where nspname = %s and pg_has_role(nspowner, 'set')
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a schema differs from a version's: migrations that it lacks, and those that this version does not know."""

    missing: frozenset[str]
    unknown: frozenset[str]
    unusable: bool
    """Whether an unknown migration took away what this version uses."""


def migrations(folders: Sequence[Path]) -> Any:
    """Return a service's migrations in order, the worker's first, as yoyo reads them."""
    return yoyo.read_migrations(*(str(folder) for folder in (MIGRATIONS, *folders)))


def difference(applied: Iterable[str], folders: Sequence[Path]) -> Difference:
    """Return how a schema with these applied migrations differs from this version's."""
    before, known = frozenset(applied), frozenset(each.id for each in migrations(folders))
    needed = {after for each in before - known if (after := each.partition(AFTER)[2])}
    return Difference(known - before, before - known, unusable=not needed <= known)


def migrate(url: str, service: str, folders: Sequence[Path]) -> bool:
    """Migrate a schema to this version, and grant exactly the rights of this version.

    `url` is the migrator's, or an administrator's. Several may migrate at once. Return False if the schema is of a
    newer version that this one can use: it is left as it is, with its rights. Raises `OperatorError` if the database
    cannot be reached or used, or this version cannot use its schema.
    """
    with closing(connect(url)) as connection:
        database, user = connection.info.dbname, connection.info.user
        owner = owner_of(database, service)
        if (whose := rights.owner(connection, service)) is None:
            raise OperatorError(_unprepared(service))
        if whose != owner:
            raise OperatorError(
                f"The schema {service!r} belongs to {whose!r}: run `servicecert db prepare` of this version with the "
                "administrator's DATABASE_URL."
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
            raise _newer(service, found)
        if found.unknown:
            return False
        backend = yoyo.get_backend(_yoyo_url(url, service, owner))
        try:
            backend.apply_migrations(backend.to_apply(migrations(folders)))
        finally:
            backend.connection.close()
        roles = {name: role_of(database, name) for name in SHARED} | {"service": role_of(database, service)}
        definitions = rights.read((MIGRATIONS, *folders), *rights.DEFINITIONS)
        rights.apply(connection, service, owner, roles, rights.read((MIGRATIONS, *folders)), definitions)
        return True


def check(url: str, service: str, folders: Sequence[Path]) -> None:
    """Return if this version can use the schema. Raises `OperatorError`; with exit code 69 a migration mends it."""
    with closing(connect(url)) as connection:
        if rights.owner(connection, service) is None:
            raise OperatorError(_unprepared(service), 69)
        # A restore checks the schema with the migrator's login, which sees nothing itself.
        connection.execute(_AS_OWNER, (service,))
        applied = _applied(connection, service)
        may_use = connection.execute("select has_schema_privilege(%s, 'usage')", (service,)).fetchone() == (True,)
        if not applied and not may_use:
            raise OperatorError(
                f"The role {connection.info.user!r} may not use the schema {service!r}: run `servicecert db migrate`, "
                f"and set DATABASE_URL to the one that `servicecert db prepare` wrote for {service}.",
                69,
            )
        found = difference(applied, folders)
        if found.unusable:
            raise _newer(service, found)
        if found.missing:
            raise OperatorError(
                f"The schema {service!r} lacks {len(found.missing)} migrations of this version: "
                "run `servicecert db migrate` with the migrator's DATABASE_URL.",
                69,
            )


def _applied(connection: psycopg.Connection[Any], service: str) -> list[str]:
    """Return the names of the applied migrations; none if there are none yet, or the role may not see them."""
    try:
        rows = connection.execute(
            sql.SQL("select migration_id from {}._yoyo_migration").format(sql.Identifier(service))
        ).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return []
    return [row[0] for row in rows]


def _unprepared(service: str) -> str:
    return (
        f"The database has no schema {service!r}: "
        "run `servicecert db prepare` with the administrator's DATABASE_URL, then `servicecert db migrate`."
    )


def _newer(service: str, found: Difference) -> OperatorError:
    return OperatorError(
        f"The schema {service!r} was made by a newer version of servicecert, which took away what this one uses "
        f"({len(found.unknown)} migrations are unknown to this one): start that version, or a newer one."
    )


def _yoyo_url(url: str, service: str, owner: str) -> str:
    parts = urlsplit(url)
    options = quote(f"-c role={owner} -c search_path={service} -c lock_timeout=10s -c statement_timeout=60s")
    query = "&".join(filter(None, (parts.query, f"schema={service}", f"options={options}")))
    return urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query))

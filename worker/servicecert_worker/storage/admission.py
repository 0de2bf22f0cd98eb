"""Whether a worker may use the database that it finds: a schema of its version, and no more rights than it needs.

A migration expands a schema: the version before works on it, so that workers are upgraded one by one, and downgraded
again. One that takes something away contracts it. Its file is named after the migration that ended the use,
`0012.state-text-gone.after-0011.state-enum.sql`: versions that know that one can use the schema, older ones cannot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ..core.faults import OperatorError
from .database import connected, connection_options

MIGRATIONS = Path(__file__).with_name("migrations")
AFTER = ".after-"
"""In the name of a migration that contracts, before the name of the one that its users must know."""

_AS_OWNER = """
select set_config('role', rolname, false) from pg_namespace join pg_roles on pg_roles.oid = nspowner
where nspname = $1 and pg_has_role(nspowner, 'set')
"""

_LOGIN = """
select session_user as name, has_schema_privilege(oid, 'usage') as may_use from pg_namespace where nspname = $1
"""

_WIDER = """
select session_user, case
    when r.rolsuper then 'is a superuser'
    when r.rolcreaterole then 'may create roles'
    when r.rolcreatedb then 'may create databases'
    when r.rolreplication or r.rolbypassrls then 'may replicate or bypass row security'
    when pg_has_role((select nspowner from pg_namespace where nspname = $1), 'member') then 'owns its schema'
    when has_schema_privilege($1, 'create') then 'may create tables in its schema'
    else (
        select 'reads the schema ' || n.nspname from pg_namespace as n
        where n.nspname not in ($1, 'public', 'information_schema') and not starts_with(n.nspname, 'pg_')
          and has_schema_privilege(n.oid, 'usage')
        order by 1 limit 1
    )
end
from pg_roles as r where r.rolname = session_user
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a schema differs from a version's: migrations that it lacks, and those that this version does not know."""

    missing: frozenset[str]
    unknown: frozenset[str]
    unusable: bool
    """Whether an unknown migration took away what this version uses."""


def difference(applied: Iterable[str], folders: Sequence[Path]) -> Difference:
    """Return how a schema with these applied migrations differs from this version's."""
    before = frozenset(applied)
    known = frozenset(file.stem for folder in (MIGRATIONS, *folders) for file in folder.glob("*.sql"))
    needed = {after for each in before - known if (after := each.partition(AFTER)[2])}
    return Difference(known - before, before - known, unusable=not needed <= known)


async def check(url: str, service: str, folders: Sequence[Path]) -> None:
    """Return if this version can use the schema. Raises `OperatorError`; with exit code 69 a migration mends it."""
    async with connected(url, **connection_options(service)) as connection:
        # A restore checks the schema with the migrator's login, which sees nothing itself.
        await is_owner(connection, service)
        if (login := await connection.fetchrow(_LOGIN, service)) is None:
            raise OperatorError(unprepared(service), 69)
        applied = await _applied(connection)
    if not applied and not login["may_use"]:
        raise OperatorError(
            f"The role {login['name']!r} may not use the schema {service!r}: run `servicecert db migrate`, "
            f"and set DATABASE_URL to the one that `servicecert db prepare` wrote for {service}.",
            69,
        )
    found = difference(applied, folders)
    if found.unusable:
        raise newer(service, found)
    if found.missing:
        raise OperatorError(
            f"The schema {service!r} lacks {len(found.missing)} migrations of this version: "
            "run `servicecert db migrate` with the migrator's DATABASE_URL.",
            69,
        )


async def is_owner(connection: asyncpg.Connection, schema: str) -> bool:
    """Act as the schema's owner from now on, if the login may. Return whether it does."""
    return await connection.fetchval(_AS_OWNER, schema) is not None


async def require_least_rights(url: str, service: str) -> None:
    """Raise `OperatorError` if the role has more rights than the service needs (F4)."""
    async with connected(url, **connection_options(service)) as connection:
        name, wider = await connection.fetchrow(_WIDER, service) or ("", None)
    if wider is not None:
        raise OperatorError(
            f"The role {name!r} {wider}: set DATABASE_URL to the one that `servicecert db prepare` "
            "wrote for this service, or, for a trial, SERVICECERT_INSECURE=rights."
        )


async def _applied(connection: asyncpg.Connection) -> list[str]:
    """Return the names of the applied migrations; none if there are none yet, or the role may not see them."""
    try:
        return [name for (name,) in await connection.fetch("select migration_id from _yoyo_migration")]
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return []


def unprepared(service: str) -> str:
    return (
        f"The database has no schema {service!r}: "
        "run `servicecert db prepare` with the administrator's DATABASE_URL, then `servicecert db migrate`."
    )


def newer(service: str, found: Difference) -> OperatorError:
    return OperatorError(
        f"The schema {service!r} was made by a newer version of servicecert, which took away what this one uses "
        f"({len(found.unknown)} migrations are unknown to this one): start that version, or a newer one."
    )

"""Rights in a service's schema: exactly those of the files `rights.sql` beside the migrations (F4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

NAME = "rights.sql"
DEFINITIONS = ("figures.sql", "erasing.sql")
"""What `servicecert db migrate` creates anew: functions of the logins that see or change no table."""

_GRANTEES = """
select distinct grantee::regrole::text
from (
    select aclexplode(relacl) as it, relnamespace as schema from pg_class
    union all
    select aclexplode(attacl), relnamespace from pg_attribute join pg_class on attrelid = pg_class.oid
    union all
    select aclexplode(proacl), pronamespace from pg_proc
    union all
    select aclexplode(nspacl), oid from pg_namespace
) as acl, lateral (select (acl.it).grantee) as g
where schema = %(schema)s::regnamespace and grantee <> 0 and grantee <> %(owner)s::regrole
"""

_TRIGGERS = """
select string_agg(format('alter function %%s set search_path from current', oid::regprocedure), ';') from pg_proc
where pronamespace = %s::regnamespace and prorettype = 'trigger'::regtype and proconfig is null
"""

_LOCKS = """
select string_agg(oid::regprocedure::text, ', ') from pg_proc
where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
"""


def read(folders: Sequence[Path], *names: str) -> str:
    """Return the rights, or what the files of these `names` have, beside these folders of migrations."""
    files = [folder.with_name(name) for name in names or (NAME,) for folder in folders]
    return "\n".join(file.read_text("utf-8") for file in files if file.exists())


def owner(connection: psycopg.Connection, schema: str) -> str | None:
    """Return the owner of a schema, None if there is no such schema."""
    row = connection.execute(
        "select rolname from pg_namespace join pg_roles on pg_roles.oid = nspowner where nspname = %s", (schema,)
    ).fetchone()
    return None if row is None else str(row[0])


def apply(
    connection: psycopg.Connection,
    schema: str,
    owner: str,
    roles: Mapping[str, str],
    statements: str,
    definitions: str = "",
) -> None:
    """Create the functions of `definitions`, revoke all rights in a schema, then grant those of `statements`.

    All is done in one transaction. In `statements`, `{schema}` and `{name}` for each of `roles` stand for names.
    """
    names = {"{schema}": schema, **{f"{{{name}}}": role for name, role in roles.items()}}
    for word, name in names.items():
        statements = statements.replace(word, sql.Identifier(name).as_string(connection))
    place = sql.Identifier(schema)
    with connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(owner)))
        # The functions keep this path, and so do triggers: with pg_temp last, a caller's temporary tables are not taken
        # for ours.
        connection.execute(sql.SQL("set local search_path = {}, pg_temp").format(place))
        connection.execute(definitions.encode())
        if (row := connection.execute(_TRIGGERS, (place.as_string(connection),)).fetchone()) and row[0]:
            connection.execute(row[0].encode())
        found = connection.execute(
            _GRANTEES, {"schema": place.as_string(connection), "owner": sql.Identifier(owner).as_string(connection)}
        ).fetchall()
        for grantee in (sql.SQL("public"), *(sql.SQL(role) for (role,) in found)):
            for kind in ("all tables in schema", "all sequences in schema", "all routines in schema", "schema"):
                connection.execute(sql.SQL(f"revoke all on {kind} {{}} from {{}} cascade").format(place, grantee))
        connection.execute(statements.encode())


def keep_locks(connection: psycopg.Connection, roles: Sequence[str], no_longer: str) -> None:
    """Let only these roles take advisory locks in this database, if the administrator is a superuser.

    `no_longer` is a role to which an earlier version gave that right.

    Where it is none, other logins can take locks, but cannot guess the numbers of ours.
    """
    if connection.info.parameter_status("is_superuser") == "on" and (row := connection.execute(_LOCKS).fetchone()):
        functions, grantees = sql.SQL(row[0]), sql.SQL(", ").join(map(sql.Identifier, roles))
        revoke = sql.SQL("revoke execute on function {} from public, {}")
        connection.execute(revoke.format(functions, sql.Identifier(no_longer)))
        connection.execute(sql.SQL("grant execute on function {} to {}").format(functions, grantees))

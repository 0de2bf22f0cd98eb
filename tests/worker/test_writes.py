"""F4: what each login can change, column by column, and that somebody judged what would follow: `writes.toml`.

A new column, right or function fails here until it is judged there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from recycling import Migrated
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database

JUDGED = Path(__file__).with_name("writes.toml")
LOGINS = ("service", database.ERASER, database.MONITORING, database.OPERATORS, database.READERS)

_COLUMNS = """
select c.relname, verb.name, case verb.name when 'delete' then '' else a.attname end
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = ''
cross join (values ('insert'), ('update'), ('delete')) as verb (name)
where c.relnamespace = %(schema)s::regnamespace and relkind in ('r', 'v', 'p')
  and case verb.name
      when 'delete' then has_table_privilege(%(login)s, c.oid, 'delete')
      else has_column_privilege(%(login)s, c.oid, a.attnum, verb.name)
  end
"""
_FUNCTIONS = """
select 'functions', 'execute', proname from pg_proc
where pronamespace = %(schema)s::regnamespace and prosecdef and has_function_privilege(%(login)s, oid, 'execute')
"""
_VERBS = {"I": "insert", "U": "update", "D": "delete", "X": "execute"}

Write = tuple[str, str, str, str]
"""Table or `functions`, login, verb, column or function."""


@pytest.fixture
def admin(migrated: Callable[..., Migrated]) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """The administrator of a database with all schemas, and its name."""
    made = migrated(**{name: [import_module(f"servicecert_{name}.service").MIGRATIONS] for name in SERVICES})
    with psycopg.connect(made.admin_url, autocommit=True) as connection:
        yield connection, made.name


def possible(admin: psycopg.Connection[Any], name: str, schema: str) -> set[Write]:
    """Return what each login can change in a schema, and by which functions that run with the owner's rights."""
    return {
        (table, login, verb, what)
        for login in LOGINS
        for query in (_COLUMNS, _FUNCTIONS)
        for table, verb, what in admin.execute(
            query.encode(), {"schema": schema, "login": f"{name}_{schema if login == 'service' else login}"}
        ).fetchall()
    }


def judged(schema: str) -> dict[Write, str]:
    """Return what would follow from each write, as it is written."""
    every = tomllib.loads(JUDGED.read_text("utf-8"))
    found: dict[Write, str] = {}
    for table, logins in [*every["every"].items(), *every[schema].items()]:
        for login, writes in logins.items():
            for what, follows in writes.items():
                for each in what.split("; "):
                    verbs, columns = each.split(": ")
                    for verb in verbs:
                        for column in ("",) if verb == "D" else columns.split():
                            assert found.setdefault((table, login, _VERBS[verb], column), follows) is follows
    return found


@pytest.mark.parametrize("schema", SERVICES)
def test_f4_what_follows_from_each_write_that_a_login_can_make_is_judged(
    admin: tuple[psycopg.Connection[Any], str], schema: str
) -> None:
    assert possible(*admin, schema) == judged(schema).keys()

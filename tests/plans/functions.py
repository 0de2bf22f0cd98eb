"""The plans of what functions and triggers do in the database, as `auto_explain` shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from .filling import Large
from .reads import Node

_SETTINGS = """
load 'auto_explain';
set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
set auto_explain.log_level = notice; set auto_explain.log_format = json; set client_min_messages = notice;
set plan_cache_mode = force_generic_plan
"""
_FUNCTIONS = """
select oid::regprocedure, proname,
       array(select format_type(type, null) from unnest(proargtypes) with ordinality as a (type, place) order by place)
from pg_proc where pronamespace = %s::regnamespace and prorettype <> 'trigger'::regtype order by 1
"""
_VALUE_OF: Mapping[str, str] = {
    "text": "'x'",
    "text[]": "array['x']",
    "uuid": "gen_random_uuid()",
    "uuid[]": "array[gen_random_uuid()]",
    "jsonb": "'{}'",
    "jsonb[]": "array['{}'::jsonb]",
    "bigint": "1",
    "integer": "1",
    "interval": "interval '1 day'",
    "timestamp with time zone": "now()",
}


def plans_of_functions(connection: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, Node]]:
    """Yield the plans of all statements of a schema's functions, each called with some values."""
    functions = connection.execute(_FUNCTIONS, (schema,)).fetchall()
    for signature, name, types in functions:
        values = ", ".join(_VALUE_OF.get(kind, f"null::{kind}") for kind in types)
        with _logged(connection, schema) as plans, suppress(psycopg.Error), connection.transaction():
            connection.execute(f"select * from {name}({values})".encode())
        assert plans, f"{signature} has no statement that was done"
        yield from ((name, plan) for plan in plans)


def plans_of_triggers(large: Large, schema: str) -> Iterator[tuple[str, Node]]:
    """Yield the plans of what writing one row of each table does, until a trigger refuses it."""
    for table, statements in large.tables[schema].items():
        for statement in statements:
            with _logged(large.connection, schema) as plans, suppress(psycopg.Error), large.connection.transaction():
                large.connection.execute(statement.encode())
            yield from ((table, plan) for plan in plans)


@contextmanager
def _logged(connection: psycopg.Connection[Any], schema: str) -> Iterator[list[Node]]:
    """Collect the plans of what is done meanwhile, and undo it."""
    plans: list[Node] = []

    def add(diagnostic: psycopg.errors.Diagnostic) -> None:
        head, _, text = (diagnostic.message_primary or "").partition("plan:\n")
        if head.startswith("duration:"):
            plans.append(json.loads(text)["Plan"])

    connection.add_notice_handler(add)
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("set local search_path = {}").format(sql.Identifier(schema)))
            connection.execute(_SETTINGS)
            yield plans
    finally:
        connection.remove_notice_handler(add)
        connection.execute("reset all")

"""Large tables: every table of the services gets so many rows that the planner takes it for one of ten years.

The rows are made from the columns' types, so a new table is filled too. They are spread over many pages: what is read
whole is dear, and a few looks into an index are cheap, as with millions of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

ROWS = 10_000
_FILL_FACTOR = 10

SMALL: Mapping[str, str] = {
    "_yoyo_log": "a row for each migration",
    "_yoyo_migration": "a row for each migration",
    "_yoyo_version": "one row",
    "yoyo_lock": "one row",
    "lock_salt": "one row",
    "changes": "a row lives until the broker has it; a backlog is an alarm",
    "journal": "one row",
    "journaled": "a row for each table",
    "intents": "a row lives until its act is done; a backlog is an alarm",
    "origins": "a row for each topic",
    "operators": "a row for each person",
    "login_verifiers": "a row for each undecided proposal of a login",
    "rechecks": "a row for each run of an operator's command",
    "proposals": "a row for each decision of two operators",
    "responder_certificates": "some rows a day",
    "paces": "a row for each recipient domain whose rate is in use",
    "pace_minutes": "a row for each minute to come; those of the past are deleted with each turn that plans reminders",
}
"""The tables that stay small in ten years, and why."""

_OF_TYPE: Mapping[str, str] = {
    "text": "md5(n::text)",
    "uuid": "md5(n::text)::uuid",
    "integer": "n",
    "bigint": "n",
    "numeric(60,0)": "n",
    "boolean": "n % 1000 = 0",
    "timestamp with time zone": "now() - n * interval '1 minute'",
    "interval": "interval '1 day'",
    "bytea": "decode(md5(n::text), 'hex')",
    "jsonb": "jsonb_build_object('n', n)",
    "text[]": "array[n::text]",
}
_FEW = "'a' || n % 4"
_SOME_ACCOUNT = "'account-' || n / 50"
_RARELY = "case when n % 1000 = 0 then {} end"

ROW_OF: Mapping[str, Mapping[str, str]] = {
    "cases": {
        "state": "case when n % 500 = 0 then 'returned' else 'delivered' end::case_state",
        "account_id": _SOME_ACCOUNT,
        "body": """jsonb_build_object(
            'case_id', md5(n::text), 'certificate', jsonb_build_object('serial', md5(n::text)))""",
    },
    "keys": {"blocked": _RARELY.format("'compromised'"), "business_id": _SOME_ACCOUNT},
    "account_events": {"account_id": _SOME_ACCOUNT, "stripe": "n % 16", "hour": "now() - n * interval '1 hour'"},
    "certificates": {
        "state": "case when n % 100 = 0 then 'refused' else 'issued' end::certificate_state",
        "issuer": _FEW,
        "refusal": _RARELY.format("'erased'"),
        "application": _RARELY.format("'{}'::jsonb"),
        "findings": _RARELY.format("'[]'::jsonb"),
        "business_id": _SOME_ACCOUNT,
    },
    "ledgers": {
        "standing": """jsonb_build_object(
            'correspondence', jsonb_build_object('account_id', 'account-' || n / 50),
            'certificate', jsonb_build_object('serial', md5(n::text), 'subject', 'CN=' || n),
            'follows', case when n % 4 = 0 then md5((n - 1)::text) end)"""
    },
    "mails": {
        "state": "case when n % 1000 = 0 then 'deferred' else 'handed-over' end",
        "kind": _FEW,
        "recipient": _FEW,
        "case_id": "md5((n / 5)::text)::uuid",
        "relay": "'mail.example:25'",
    },
    "notices": {"wanted": "'resend'", "case_id": "md5((n / 5)::text)::uuid"},
    "statuses": {
        "standing": """case when n % 1000 = 0 then 'registered' when n % 10 = 0 then 'revoked' else 'valid'
            end::standing""",
        "issuer": _FEW,
        "partition": "n % 16",
        "changed": "false",
        "asked": _RARELY.format("'[]'::jsonb"),
        "requesters": _RARELY.format("'[]'::jsonb"),
        "certificate": """jsonb_build_object('key_sha256', md5(n::text), 'serial', md5(n::text),
            'account_id', 'account-' || n / 50, 'type', 'server', 'profile', 'server', 'profile_version', 1,
            'issued_at', now() - n * interval '1 minute', 'not_after', now() + n * interval '1 minute')""",
    },
    "revocations": {
        "issuer": _FEW,
        "partition": "n % 16",
        "reason": "case when n % 10 = 1 then 'key-exposed' else 'no-longer-needed' end",
    },
    "crls": {"issuer": _FEW, "partition": "n % 16", "scheduled": "n % 2 = 0"},
    "proposal_items": {"proposal": "md5((n / 50)::text)::uuid", "place": "n % 50 + 1"},
    "audit": {"chain": "md5((n / 100)::text)::uuid", "seq": "n % 100 + 1", "key": "md5((n / 5)::text)"},
    "deadlines": {
        "kind": "case when n % 2 = 0 then 'reassess' else 'remind' end",
        "at": "now() + n * interval '1 minute'",
    },
    "parked": {"reason": _FEW, "topic": _FEW, "type": _FEW, "culprit": "n % 10 = 0"},
    "audit_chains": {"whole": "n % 1000 > 0", "attested": "2"},
}
"""Of a table's columns, those whose values decide plans: few different ones, or mostly one, or empty."""

_TABLES = """
select relname from pg_class
where relnamespace = %s::regnamespace and relkind in ('r', 'p') and relname <> all(%s) order by 1
"""
_COLUMNS = """
select quote_ident(attname), attname, format_type(atttypid, atttypmod), attidentity <> ''
from pg_attribute
where attrelid = %s::regclass and attnum > 0 and attgenerated = '' and not attisdropped order by attnum
"""
_CHECKS = "select conname from pg_constraint where conrelid = %s::regclass and contype in ('c', 'f')"
_LEADING = """
select i.relname, pg_get_indexdef(indexrelid, 1, false)
from pg_index join pg_class as i on i.oid = indexrelid where i.relnamespace = any(%s::regnamespace[])
"""
_SMALL_INDEXES = """
select i.relname from pg_index join pg_class as i on i.oid = indexrelid
where indpred is not null and i.reltuples < %s and i.relnamespace = any(%s::regnamespace[])
"""


@dataclass(frozen=True)
class Large:
    """Filled tables on a connection of their administrator: by schema and name, statements that write one row.

    `leading` is what each index is ordered by first. Of `small_indexes` each holds few rows.
    """

    connection: psycopg.Connection[Any]
    tables: Mapping[str, Mapping[str, tuple[str, ...]]]
    leading: Mapping[str, str]
    small_indexes: frozenset[str]

    @property
    def grown(self) -> frozenset[str]:
        """All these tables, by name alone."""
        return frozenset(table for tables in self.tables.values() for table in tables)


def fill(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> Large:
    """Fill the tables of schemas, as their administrator. Triggers and checks rest meanwhile."""
    tables = {schema: _fill(connection, schema) for schema in schemas}
    small = {name for (name,) in connection.execute(_SMALL_INDEXES, (ROWS / 20, list(schemas)))}
    leading = dict(connection.execute(_LEADING, (list(schemas),)).fetchall())
    return Large(connection, tables, leading, frozenset(small))


def _fill(connection: psycopg.Connection[Any], schema: str) -> Mapping[str, tuple[str, ...]]:
    connection.execute(f"set search_path = {schema}; set session_replication_role = replica".encode())
    writes: dict[str, tuple[str, ...]] = {}
    for (table,) in connection.execute(_TABLES, (schema, list(SMALL))).fetchall():
        connection.execute(f"alter table {table} set (fillfactor = {_FILL_FACTOR}, autovacuum_enabled = off)".encode())
        insert, same = writable(connection, table)
        connection.execute(f"{insert} generate_series(1, {ROWS}) as n".encode())
        connection.execute(f"vacuum analyze {table}".encode())
        writes[table] = (f"{insert} generate_series({ROWS + 1}, {ROWS + 1}) as n", f"{same} where ctid = '(0,1)'")
    connection.execute("reset session_replication_role")
    return writes


def writable(connection: psycopg.Connection[Any], table: str) -> tuple[str, str]:
    """Drop a table's checks. Return a statement that inserts a row for each `n` of what follows, and an update."""
    for (check,) in connection.execute(_CHECKS, (table,)).fetchall():
        connection.execute(f'alter table {table} drop constraint "{check}"'.encode())
    columns = connection.execute(_COLUMNS, (table,)).fetchall()
    own = ROW_OF.get(table, {})
    values = ", ".join(own.get(name) or _OF_TYPE[kind] for _, name, kind, _ in columns)
    names = ", ".join(quoted for quoted, *_ in columns)
    same = ", ".join(f"{quoted} = {quoted}" for quoted, _, _, identity in columns if not identity)
    insert = f"insert into {table} ({names}) overriding system value select {values} from"
    return insert, f"update {table} set {same}"

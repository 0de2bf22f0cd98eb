"""What a service's tables hold that is in its journal, to compare those that were lost with those brought forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

_TABLES = """
select "table", name, (
    select case count(*) when 1 then min(part) else 'jsonb_build_array(' || string_agg(part, ', ') || ')' end
    from (select format('x.%I', part) as part from unnest(columns) as part) as parts
) || '::text'
from journaled
"""
_UNSENT = """
select name, k.key, a.entry::json #>> '{happened,id}'
from changes cross join lateral unnest(keys) as k (key)
left join audit as a on name = 'audit' and k.key = jsonb_build_array(a.chain, a.seq)::text
"""
INBOX = "inbox"
Keys = frozenset[tuple[str, str]]
"""Groups of tables, with a key."""


@dataclass(frozen=True)
class Journaled:
    """The rows as texts, by table, each with its group and key, and the ids in the inbox; `unsent` is not sent yet."""

    rows: Mapping[str, frozenset[tuple[str, str, str]]]
    unsent: Keys

    @classmethod
    async def of(cls, connection: asyncpg.Connection[Any]) -> Journaled:
        """Return what the tables of the schema in the search path hold at one moment."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            queries = {
                table: f"select '{group}', {key}, x::text from \"{table}\" as x"
                for table, group, key in await connection.fetch(_TABLES)
            }
            queries[INBOX] = f"select '{INBOX}', event_id::text, '' from {INBOX}"
            rows = {table: frozenset(map(tuple, await connection.fetch(query))) for table, query in queries.items()}
            unsent = await connection.fetch(_UNSENT)
            return cls(rows, frozenset((it[0], it[1]) for it in unsent) | {(INBOX, it[2]) for it in unsent})

    def differences(self, other: Journaled) -> dict[str, list[tuple[str, str, str]]]:
        """Return by table the rows that only one of two has, without what this one has not sent yet."""
        found = {
            table: sorted(row for row in rows ^ other.rows[table] if row[:2] not in self.unsent)
            for table, rows in self.rows.items()
        }
        return {table: rows for table, rows in found.items() if rows}

"""What a service's tables hold of all that changed: the relay reads it for the journal, in one snapshot."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from ..core.decider import Connection, Transient

MOST_AT_ONCE = 1_000
"""Of how many keys what the tables hold is read at once. More is read by cursors, so that memory stays bounded."""
_FETCHED = 10
"""How many rows a cursor fetches at once, each with all that tables hold of a key."""

_TABLES = """
select name, "table", columns, array(
    select format_type(a.atttypid, a.atttypmod) from unnest(j.columns) with ordinality as c (name, place)
    join pg_attribute as a on a.attrelid = to_regclass(quote_ident(j."table")) and a.attname = c.name order by c.place
) as types
from journaled as j order by place
"""
_FIRST = """
sent as (delete from changes where id = any($1::uuid[])),
noted as (update journal set epoch = $2, look = $3, next_offset = $4 where $4::bigint is not null),
marks as materialized (select id, name, keys from changes where id <> all($1::uuid[])),
few as materialized (select coalesce(sum(cardinality(keys)), 0) <= $5 as are from marks),
touched as materialized (select distinct name, key from marks, unnest(keys) as k (key) where (select are from few))
"""
_EVERY = "touched as materialized (select distinct name, key from changes, unnest(keys) as k (key))"

_PART = "coalesce(sum(octet_length(rows)) over (rows unbounded preceding), 0) / 500000"
"""The SQL expression of the text that a group belongs to."""

_EVENT = {
    **{"id": "bigint", "topic": "text", "key": "text", "event_id": "uuid", "type": "text", "traceparent": "text"},
    **{"at": "timestamptz", "payload": "bytea", "signature": "text"},
}

EVENT_COLUMNS = tuple(_EVENT)
EVENTS = "events"
_NO_EVENT = ", ".join(f"null::{type} as {name}" for name, type in _EVENT.items())
_GONE = f"""'["{EVENTS}",' || to_json(t.key) || ',{{"{EVENTS}":null}}]'"""
_HELD_EVENTS = f"""
(select key, key::bigint as id from touched where name = '{EVENTS}' order by 2) as t
left join lateral (select {", ".join(EVENT_COLUMNS)} from events where events.id = t.id offset 0) as e on true
"""
"""The SQL of the events and of those that are gone, in order: `offset` keeps the planner from another way to join."""
Rows: TypeAlias = Callable[[], AsyncIterable[asyncpg.Record]]


class Note(NamedTuple):
    """What the topics have: changes, and the look that found them by its epoch and number, with the offset after it."""

    changes: Sequence[UUID]
    epoch: int
    look: int
    next_offset: int | None


NOTHING_SENT = Note((), 0, 0, None)


@dataclass(frozen=True, slots=True)
class Table:
    """A table in the journal: its group, and the columns of the key in it, with their types."""

    group: str
    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    def has(self, row: str, key: str) -> str:
        """Return the SQL condition that a row is one of a key, an expression of the key as text."""
        if len(self.columns) > 1:
            parts = enumerate(zip(self.columns, self.types, strict=True))
            return " and ".join(f'{row}."{name}" = ({key}::jsonb ->> {n})::{type}' for n, (name, type) in parts)
        (column,), (type,) = self.columns, self.types
        if self.group == "key" and type == "uuid":
            # A key may be any text.
            return f'{row}."{column}" = case when is_case({key}) then {key}::uuid end'
        return f'{row}."{column}" = {key}::{type}'


async def tables(connection: "Connection | asyncpg.Connection") -> list[Table]:
    """Return the tables in the journal, in the order in which their rows may be stored."""
    rows = await connection.fetch(_TABLES)
    return [Table(row["name"], row["table"], tuple(row["columns"]), tuple(row["types"])) for row in rows]


class Look(NamedTuple):
    """The notes of what changed, and what returns what the tables hold of it, each time anew.

    A row has `groups`, in JSON with commas between: each has its name, a key, and what the tables of the group hold of
    that; or the columns of an event. `events` has the events alone. They are in order.
    """

    changes: Sequence[UUID]
    rows: Rows
    events: Rows


class Looks:
    """Reads what changed, by one statement, or in cursors by `every` and `events`. `found` are the tables."""

    def __init__(self, found: Sequence[Table]) -> None:
        self._tables = len(found)
        held, event = _held(found), ", ".join(f"e.{name}" for name in EVENT_COLUMNS)
        group = """'["' || name || '",' || to_json(key) || ',' || rows || ']'"""
        # Groups come in texts of some size, since each row costs.
        self.first = f"""with {_FIRST}
(select (select count(*) from journaled) as tables, are as few, (select array_agg(id) from marks) as changes,
    null as groups, {_NO_EVENT} from few)
union all
(select null, null, null, string_agg({group}, ','), {_NO_EVENT} from (select *, {_PART} as part from {held}) as t
    group by part)
union all
(select null, null, null, case when e.id is null then {_GONE} end, {event} from {_HELD_EVENTS})
"""
        self.every = f"""with {_EVERY}
(select {group} as groups, {_NO_EVENT} from {held})
union all
(select case when e.id is null then {_GONE} end, {event} from {_HELD_EVENTS})
"""
        self.events = f"with {_EVERY} select {event} from {_HELD_EVENTS} where e.id is not null"

    @asynccontextmanager
    async def look(self, connection: asyncpg.Connection, sent: Note) -> AsyncIterator[Look]:
        """Note what the topics have, and yield what else changed.

        Raises `Transient` if a migration has put tables into the journal since, and what asyncpg raises.
        """
        first, *rows = await connection.fetch(self.first, *sent, MOST_AT_ONCE)
        if first["tables"] != self._tables:
            raise Transient("The schema was migrated: the relay begins again, with all tables that are in the journal.")
        if first["few"]:
            events = [row for row in rows if row["id"] is not None]
            yield Look(first["changes"] or (), lambda: _each(rows), lambda: _each(events))
            return
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # It is idle while Kafka acknowledges.
            await connection.execute("set local idle_in_transaction_session_timeout = '60s'")
            changes = await connection.fetchval("select array_agg(id) from changes")
            cursor = partial(connection.cursor, prefetch=_FETCHED)
            yield Look(changes, partial(cursor, self.every), partial(cursor, self.events))

    async def note(self, connection: asyncpg.Connection, sent: Note) -> None:
        """Note what the topics have. Raises what asyncpg raises."""
        await connection.execute(self.first, *sent, 0)


def _held(found: Sequence[Table]) -> str:
    """Return the SQL of what the tables hold of each key that was touched, but events: name, key and rows, in JSON."""
    groups: dict[str, list[str]] = {}
    for it in found:
        rows = f"'{it.name}', (select json_agg(x) from \"{it.name}\" as x where {it.has('x', 't.key')})"
        groups.setdefault(it.group, []).append(rows)
    del groups[EVENTS]
    rows = " ".join(f"when '{name}' then json_build_object({', '.join(each)})" for name, each in groups.items())
    # Without `offset`, the planner would read the rows twice, for their length as well.
    others = f"touched as t where name <> '{EVENTS}' offset 0"
    return f"(select name, key, (case name {rows} end)::text as rows from {others}) as t"


async def _each(rows: Sequence[asyncpg.Record]) -> AsyncIterator[asyncpg.Record]:
    for row in rows:
        yield row


async def begin_epoch(connection: asyncpg.Connection) -> tuple[int, int]:
    """Begin an epoch, durably. Return it, and the next offset that is noted, 0 if none is.

    Octets come as text from then on, since most are: in hexadecimal digits they take twice the room. Raises what
    asyncpg raises.
    """
    await connection.execute("set bytea_output = 'escape'")
    async with connection.transaction():
        await connection.execute("set local synchronous_commit = on")
        (row,) = await connection.fetch(
            "update journal set begun = begun + 1 returning begun, coalesce(next_offset, 0)"
        )
    return row[0], row[1]

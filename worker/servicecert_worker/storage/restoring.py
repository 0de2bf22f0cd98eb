"""Stores what a service's journal has of its tables, as the owner of its schema."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from .journal import EVENTS, Table, tables

_COLUMNS = """
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attgenerated <> '' as is_generated,
       case when a.attnotnull then pg_get_expr(d.adbin, d.adrelid) end as "default",
       a.attidentity <> '' as is_identity, coalesce(a.attnum = any(i.indkey), false) as is_key,
       has_column_privilege(a.attrelid, a.attnum, 'update') as is_changed
from pg_attribute as a
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_index as i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(quote_ident($1)) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""

_BEGIN = """
create temp table staged (
    place bigint generated always as identity,
    "offset" bigint not null,
    name text not null,
    key text not null,
    rows json
);
create temp table chosen (
    name text not null, key text not null, rows json, is_last boolean not null
) on commit delete rows
"""

_CHANGES = "changes"
"""The name of what is staged of a look's changes, beside the groups."""

_STAGE = f"""
insert into staged ("offset", name, key, rows)
select $1::bigint, '{_CHANGES}', id, null::json from json_array_elements_text($2::json -> 'changes') as id
union all
select $1, g ->> 0, g ->> 1, g -> 2 from json_array_elements($2::json -> 'groups') as g
"""

_CHOOSE = """
with moved as (delete from staged where "offset" = any($1::bigint[]) returning *)
insert into chosen (name, key, rows, is_last)
select distinct on (name, key) name, key, rows, "offset" = any($2::bigint[])
from moved join unnest($1) with ordinality as o ("offset", number) using ("offset")
order by name, key, number desc, place desc
"""

_FOUND = f"delete from changes using chosen where chosen.name = '{_CHANGES}' and changes.id = chosen.key::uuid"
# A copy of tables that were in use may have newer rows than a look: those of which a change waits that the look lacks.
_NEWER = """
delete from chosen using changes
where changes.name = chosen.name and chosen.key = any(changes.keys) and changes.id <> all($1::uuid[])
"""

# An event that is not parked is handled, and so is one that an operator discarded.
_INBOX = """
insert into inbox (event_id, at)
select distinct on (1)
    (happened #>> case when happened -> 'event' is null then '{facts,event}' else '{id}' end::text[])::uuid, at
from (
    select x.at, x.entry::json -> 'parked' as parked, x.entry::json -> 'happened' as happened
    from chosen as s cross join lateral json_to_recordset(s.rows -> 'audit') as x (at timestamptz, entry text)
    where s.name = 'audit'
) as decided
where parked is null and happened -> 'event' is not null or happened ->> 'command' = 'parked discard'
on conflict do nothing
"""

# The events of the last look may have died with their relay.
UNSENT = UUID("5cf0b9d5-4b6c-4d0e-9b53-0f6ed8a4c1c2")
_NOTE = f"""
with again as (
    insert into changes (id, name, keys)
    select $5, '{EVENTS}', array_agg(key) from chosen where name = '{EVENTS}' and is_last having count(*) > 0
)
update journal set epoch = $1, look = $2, next_offset = $3, begun = greatest(begun, $4)
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `default` is the SQL expression of what it has if a row's writer did not know it."""

    name: str
    type: str
    is_generated: bool
    default: str | None
    is_identity: bool
    is_key: bool
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A table in the journal, with its columns, and whether its owner may delete rows."""

    table: Table
    columns: Sequence[Column]
    may_delete: bool

    @property
    def names(self) -> frozenset[str]:
        return frozenset(column.name for column in self.columns)

    @property
    def delete_gone(self) -> str:
        """Return the statement that deletes the rows of which the chosen groups have none."""
        same = " and ".join(f'x."{column.name}" = t."{column.name}"' for column in self.columns if column.is_key)
        return f"{self._delete} and not exists (select from {self._rows('s')} and {same})"

    @property
    def put(self) -> str:
        """Return the statement that puts the rows of the chosen groups in the place of those that are there.

        It is one statement, so that references to the rows hold. To a table that nobody may change, rows are added.
        """
        columns = [column for column in self.columns if not column.is_generated]
        listed = ", ".join(f'"{column.name}"' for column in columns)
        values = ", ".join(map(self._value, columns))
        insert = (
            f'insert into "{self.table.name}" ({listed}) overriding system value select {values} from {self._rows("s")}'
        )
        if self.may_delete:
            return f"with gone as ({self._delete} returning 1) {insert} and (select count(*) from gone) >= 0"
        keys = ", ".join(f'"{column.name}"' for column in columns if column.is_key)
        changed = ", ".join(f'"{each.name}" = excluded."{each.name}"' for each in columns if each.is_changed)
        return f"{insert} on conflict ({keys}) do {f'update set {changed}' if changed else 'nothing'}"

    @property
    def _delete(self) -> str:
        """Return the statement that deletes the rows of the chosen groups, which may not know the table yet."""
        name, group = self.table.name, self.table.group
        return (
            f'delete from "{name}" as t using chosen as c '
            f"where c.name = '{group}' and c.rows -> '{name}' is not null and {self.table.has('t', 'c.key')}"
        )

    def _rows(self, group: str) -> str:
        listed = ", ".join(f'"{each.name}" {self._type(each)}' for each in self.columns if not each.is_generated)
        rows = f"{group}.rows -> '{self.table.name}'"
        return (
            f"chosen as {group} cross join lateral json_to_recordset("
            f"case json_typeof({rows}) when 'array' then {rows} end) as x ({listed}) "
            f"where {group}.name = '{self.table.group}'"
        )

    def _is_text(self, column: Column) -> bool:
        return (self.table.name, column.name) == (EVENTS, "payload")

    def _type(self, column: Column) -> str:
        return "text" if self._is_text(column) else column.type

    def _value(self, column: Column) -> str:
        value = f'x."{column.name}"'
        if self._is_text(column):
            return f"convert_to({value}, 'utf8')"
        return value if column.default is None else f"coalesce({value}, {column.default})"

    @property
    def set_sequences(self) -> Sequence[str]:
        """Return the statements that set the sequences of the table's identities behind its rows."""
        name = self.table.name
        return [
            f'select setval(s, greatest((select max("{each.name}") from "{name}"), pg_sequence_last_value(s), 1)) '
            f"from (select pg_get_serial_sequence('\"{name}\"', '{each.name}')::regclass as s) as it"
            for each in self.columns
            if each.is_identity
        ]


async def stored_tables(connection: asyncpg.Connection) -> Mapping[str, Stored]:
    """Return the tables in the journal by name, in the order in which their rows may be stored."""
    stored = {}
    for table in await tables(connection):
        columns = [Column(**row) for row in await connection.fetch(_COLUMNS, table.name)]
        may_delete = await connection.fetchval("select has_table_privilege(quote_ident($1), 'delete')", table.name)
        stored[table.name] = Stored(table, columns, may_delete)
    return stored


class Restoring:
    """Stores looks, in the order of the journal. The connection acts as the schema's owner.

    `late` are changes of what was put back: they knew nothing of the journal, which takes their place. Its methods
    raise what asyncpg raises.
    """

    def __init__(self, connection: asyncpg.Connection, stored: Collection[Stored], late: Collection[UUID]) -> None:
        self._connection = connection
        self._stored = list(stored)
        self._late = list(late)

    async def begin(self) -> None:
        await self._connection.execute(_BEGIN)

    async def stage(self, offset: int, value: bytes) -> None:
        await self._connection.execute(_STAGE, offset, value.decode())

    async def store(self, looks: Sequence[Sequence[int]], noted: tuple[int, int, int], epoch: int) -> None:
        """Store whole looks, of which these are the records' offsets, in one transaction.

        `noted` are epoch and number of the last look, and the offset after it: its events are published again, under
        their ids. `epoch` is the last that began.
        """
        connection = self._connection
        async with connection.transaction():
            await connection.execute(_CHOOSE, [offset for look in looks for offset in look], looks[-1])
            await connection.execute("delete from changes where id = $1", UNSENT)
            await connection.execute(_FOUND)
            await connection.execute(_NEWER, self._late)
            await connection.execute("analyze chosen")
            await self._each('alter table "{}" disable trigger user')
            for each in reversed(self._stored):
                if each.may_delete:
                    await connection.execute(each.delete_gone)
            for each in self._stored:
                await connection.execute(each.put)
                for statement in each.set_sequences:
                    await connection.execute(statement)
            await self._each('alter table "{}" enable trigger user')
            await connection.execute(_INBOX)
            await connection.execute(_NOTE, *noted, epoch, UNSENT)

    async def _each(self, statement: str) -> None:
        for each in self._stored:
            await self._connection.execute(statement.format(each.table.name))

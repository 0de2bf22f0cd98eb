"""What the toy's journal has, and what its tables hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from servicecert_schemas.topics import journal_topic
from servicecert_worker.core.record import Record
from servicecert_worker.kafka.journal import Group, LookReader, Number, Part, read_part
from servicecert_worker.storage.journal import tables

from toy import service as toy
from toy.stand import Stand, eventually

JOURNAL = journal_topic(toy.NAME).name
Held: TypeAlias = Mapping[str, list[str]]
"""The rows of each table, in JSON and sorted."""


def parts_of(stand: Stand, records: Iterable[Record]) -> list[Part]:
    """Return the records of the journal. Each has a signature that holds."""
    verifier = stand.identities.verifier(stand.prefix)
    return [read_part(toy.NAME, record, verifier) for record in sorted(records, key=lambda each: each.offset)]


async def journal(stand: Stand) -> list[Part]:
    return parts_of(stand, await stand.records(JOURNAL))


def looks(parts: Iterable[Part]) -> list[list[Group]]:
    """Return the groups of each look that counts."""
    reader = LookReader(Number(0, 0))
    return [[group for each in look for group in each.groups] for part in parts if (look := reader.add(part))]


def held_by(parts: Iterable[Part]) -> Held:
    """Return what a journal's looks come to: of a group and key the last one counts."""
    last = {(group.name, group.key): group.rows for groups in looks(parts) for group in groups}
    held: dict[str, list[str]] = {}
    for rows in last.values():
        for table, of in rows.items():
            held.setdefault(table, []).extend(_written(table, row) for row in of or ())
    return {table: sorted(of) for table, of in held.items() if of}


async def held(stand: Stand) -> Held:
    """Return what the tables hold that are in the journal."""
    found = {}
    async with stand.pool.acquire() as connection, connection.transaction():
        await connection.execute("set local bytea_output = 'escape'")
        for table in await tables(connection):
            # The journal has an event's payload as text.
            columns = "event_id, convert_from(payload, 'utf8') as payload" if table.name == "events" else "*"
            rows = await connection.fetch(f"select row_to_json(t)::text from (select {columns} from {table.name}) as t")
            if rows:
                found[table.name] = sorted(_written(table.name, json.loads(row[0])) for row in rows)
    return found


def _written(table: str, row: Mapping[str, Any]) -> str:
    if table == "events":
        row = {"event": row["event_id"], "payload": row["payload"]}
    return json.dumps(row, sort_keys=True)


async def assert_journaled(stand: Stand) -> None:
    """Assert that the journal comes to what the tables hold, once it has all of it."""

    async def is_whole() -> bool:
        before = await held(stand)
        return held_by(await journal(stand)) == before

    await eventually(is_whole)

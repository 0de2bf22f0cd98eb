"""Brings the tables of a service forward by its journal, after a restore to an earlier moment. Nothing is decided."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import asyncpg

from ..core.faults import OperatorError
from ..kafka.journal import JournalTopic, LookReader, Number, Part
from ..storage.journal import EVENTS
from ..storage.restoring import UNSENT, Restoring, Stored, stored_tables

_BATCH_BYTES = 8_000_000
"""How much is stored in one transaction; a larger look is stored as a whole."""

_HEADS = """
select chain, coalesce((select seq from audit where chain = c.chain order by seq desc limit 1), 0)
from audit_chains as c
"""
_WAITING = "select id, at from changes where id <> $1"
_UNKNOWN = """
select exists (select from unnest($1::uuid[]) as c (id) where not exists (select from changes where changes.id = c.id))
"""


@dataclass(slots=True)
class Forward:
    """What the journal has of a service, and its tables lack.

    `since` is when the first of it was sent, None if they lack nothing. `decisions` counts rows of the audit,
    `published` events by type, `changed` rows of other tables by table. `changed_since` is when something was first
    changed after the tables were put back, by who knew nothing of all that: the journal takes its place.
    """

    since: datetime | None = None
    changed_since: datetime | None = None
    decisions: int = 0
    published: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Contents:
    """What of a record counts once its look is whole: the rows of the audit by chain, types of events, names."""

    audit: dict[UUID, list[int]] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


async def bring_forward(connection: asyncpg.Connection, topic: JournalTopic, *, act: bool) -> Forward:
    """Return what the tables lack, and with `act` store it.

    It may be interrupted and run again. `connection` acts as the schema's owner then, and nobody else uses the tables.
    Raises `OperatorError`, and what aiokafka and asyncpg raise.
    """
    ((*number, next_offset),) = await connection.fetch("select epoch, look, next_offset from journal")
    start = await topic.after(Number(*number), next_offset)
    if start is None:
        raise _too_old(topic.service)
    late = await _late_changes(connection, topic, start)
    stored = await stored_tables(connection)
    it = _Bringing(
        connection, topic.service, stored, Restoring(connection, stored.values(), late), LookReader(Number(*number))
    )
    it.forward.changed_since = min(late.values(), default=None)
    await it.begin(act=act)
    async for part, record in topic.parts(start):
        await it.take(part, record.value or b"", record.written)
    await it.end()
    return it.forward


async def _late_changes(connection: asyncpg.Connection, topic: JournalTopic, start: int) -> Mapping[UUID, datetime]:
    """Return what was changed since the tables were put back, and when: it knew nothing of what they lack.

    What waited in them before was found by the next look, so any look that they lack has it, or a later one.
    """
    waiting: dict[UUID, datetime] = {row["id"]: row["at"] for row in await connection.fetch(_WAITING, UNSENT)}
    found = {id async for part, _ in topic.parts(start) for id in part.changes} if waiting else set()
    return {id: at for id, at in waiting.items() if id not in found} if found - waiting.keys() else {}


class _Bringing:
    """Takes the records of a journal in their order."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        service: str,
        stored: Mapping[str, Stored],
        storing: Restoring,
        reader: LookReader,
    ) -> None:
        self.forward = Forward()
        self._connection = connection
        self._service = service
        self._columns = {name: each.names for name, each in stored.items()}
        self._reader = reader
        self._restoring = storing
        self._contents: dict[int, _Contents] = {}
        self._looks: list[Sequence[int]] = []
        self._octets = 0
        self._epoch = 0

    async def begin(self, *, act: bool) -> None:
        self._act = act
        self._heads: dict[UUID, int] = {row[0]: row[1] for row in await self._connection.fetch(_HEADS)}
        if act:
            await self._restoring.begin()

    async def take(self, part: Part, value: bytes, written: datetime) -> None:
        self._epoch = max(self._epoch, part.number.epoch)
        self._contents[part.offset] = self._contents_of(part)
        if self._act:
            await self._restoring.stage(part.offset, value)
            self._octets += len(value)
        if look := self._reader.add(replace(part, groups=())):
            contents = [self._contents.pop(each.offset) for each in look]
            if self.forward.since is None and await self._is_unknown(look):
                self.forward.since = written
            if self.forward.since is not None:
                self._count(contents)
            if self._act:
                self._looks.append([each.offset for each in look])
            self._noted = (*part.number, part.offset + 1)
            if self._octets >= _BATCH_BYTES:
                await self.end()

    async def end(self) -> None:
        """Store the looks that are whole, from where on the tables lack something."""
        if self.forward.since is not None and self._looks:
            await self._restoring.store(self._looks, self._noted, self._epoch)
            self._looks, self._octets = [], 0

    def _contents_of(self, part: Part) -> _Contents:
        contents = _Contents()
        for name, key, tables in part.groups:
            for table, rows in tables.items():
                for row in rows or ():
                    self._require_known(table, row)
            if name == "audit":
                chain, seq = json.loads(key)
                contents.audit.setdefault(UUID(chain), []).append(seq)
            elif name == EVENTS:
                contents.published.update(row["type"] for row in tables[EVENTS] or ())
            elif name != "key":
                # A key's states change with rows of the audit.
                contents.changed[name] += 1
        return contents

    def _require_known(self, table: str, row: Mapping[str, object]) -> None:
        if unknown := row.keys() - self._columns.get(table, frozenset()):
            raise OperatorError(
                f"The journal of {self._service} has {table}.{min(unknown)}, which its schema lacks: run "
                "`servicecert db migrate` and this command of the release that was in use.",
                os.EX_DATAERR,
            )

    async def _is_unknown(self, look: Sequence[Part]) -> bool:
        ids = [id for part in look for id in part.changes]
        return bool(await self._connection.fetchval(_UNKNOWN, ids))

    def _count(self, contents: Sequence[_Contents]) -> None:
        """Count what a look has. Raise `OperatorError` if a row of the audit is missing before its own."""
        rows: dict[UUID, list[int]] = {}
        for each in contents:
            self.forward.published += each.published
            self.forward.changed += each.changed
            for chain, seqs in each.audit.items():
                rows.setdefault(chain, []).extend(seqs)
        for chain, seqs in rows.items():
            head = self._heads.get(chain, 0)
            fresh = [seq for seq in seqs if seq > head]
            if fresh and max(fresh) != head + len(fresh):
                raise _too_old(self._service)
            self._heads[chain] = head + len(fresh)
            self.forward.decisions += len(fresh)


def _too_old(service: str) -> OperatorError:
    return OperatorError(
        f"The tables of {service} are older than its journal, which has the last 35 days: restore a newer copy. "
        "If this one is newer, add the public key that the service had then to SERVICECERT_SERVICE_KEYS.",
        os.EX_DATAERR,
    )

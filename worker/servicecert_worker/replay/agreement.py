"""Whether what is decided again is what was published, event by event.

Registers, accounts and what operators did are today's: a decision may differ that depended on them. Then readers know
the published one, and the tables another.

What an interrupted replay decided is in the audit, with the digests of its events.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Pool
from servicecert_schemas.codec import written
from servicecert_schemas.operators import RecordParked

from ..audit.chain import digest
from ..core.decider import Event, Service
from ..core.fold import DecidedEvent
from ..core.owed import content_id, is_owed
from ..core.published import PublishedEvent, PublishedEvents, is_same
from ..storage import QUERIES


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A published event that was decided otherwise now, or not at all. `key` is mostly its case."""

    key: str
    type: str
    id: UUID


class Agreement:
    """Notes what is decided again. `expected` are the ids of the published events that must be."""

    def __init__(self, service: Service[Any, Any], published: PublishedEvents, expected: Collection[UUID] = ()) -> None:
        self._service = service
        self._published = published
        self._expected = expected
        self._same: set[UUID] = set()
        self._other: set[UUID] = set()

    def note(self, event: DecidedEvent, decided: datetime) -> bool:
        """Note an event. Return whether it is not to be published: it is already, or contradicts what is."""
        found = self._published.get(event.id)
        if found is not None and not is_same(found.data, event.data):
            self._other.add(event.id)
            return True
        if (found := found or self._published.copy_of(event.data, decided)) is not None:
            self._same.add(found.id)
        return self._published.is_superfluous(event.id, event.data, decided)

    async def differences(self, pool: Pool[Any]) -> Sequence[Difference]:
        """Return the events that differ, in order, once all is decided."""
        expected = (self._published.get(id) for id in self._expected if id not in self._same | self._other)
        missing = {each.id: each for each in expected if each is not None and self._is_decided(each)}
        for known in (self._announced, self._audited):
            if missing:
                found = await known(pool, missing)
                missing = {id: each for id, each in missing.items() if id not in found}
        others = (self._published.get(id) for id in self._other)
        differing = [*missing.values(), *(each for each in others if each is not None)]
        return sorted(Difference(each.data.key(), each.data.TYPE, each.id) for each in differing)

    def _is_decided(self, event: PublishedEvent) -> bool:
        """Return whether an event follows from a decision: not from an act's own books, nor from an operator's command.

        That a record was parked is no decision either: what came of it is.
        """
        data = event.data
        is_made_again = is_owed(type(data)) and event.id == content_id(data)
        return not (is_made_again or isinstance(data, (RecordParked, *self._service.recall.kept)))

    async def _announced(self, pool: Pool[Any], missing: Mapping[UUID, PublishedEvent]) -> Collection[UUID]:
        """Return those that announce what the tables intend."""
        if self._service.tables.announced is None:
            return ()
        events = [Event(each.id, each.data.key(), each.data, each.time) for each in missing.values()]
        return await self._service.tables.announced(pool.fetch, events)

    async def _audited(self, pool: Pool[Any], missing: Mapping[UUID, PublishedEvent]) -> Collection[UUID]:
        """Return those of which a decision is on record, with this content."""
        by_key: dict[str, list[PublishedEvent]] = {}
        for each in missing.values():
            by_key.setdefault(each.data.key(), []).append(each)
        found: set[UUID] = set()
        for row in await pool.fetch(QUERIES["audited_events"], list(by_key)):
            for reference in json.loads(row["entry"]).get("events", ()):
                id = UUID(reference["id"])
                candidates = [missing[id]] if id in missing else by_key.get(row["key"], [])
                for each in candidates:
                    if row["salt"] and digest(row["salt"], written(each.data)[1]) == reference["sha256"]:
                        found.add(each.id)
        return found


async def drop_contradicting(pool: Pool[Any], differences: Sequence[Difference]) -> None:
    """Drop what waits to be published of the cases that differ: their readers know another course."""
    await pool.execute("delete from outbox where key = any($1::text[])", sorted({each.key for each in differences}))

"""A turn: what happened, decided and stored in one transaction.

The order of locks is the inbox's rows, the keys' advisory locks, everything else by key. Nothing holds a row lock before the key locks but the
inbox's, and those are taken sorted: so two turns wait for each other and never deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Generic, TypeVar
from uuid import UUID

from asyncpg import Pool
from servicecert_schemas.topics import TOPIC_OF

from .decider import Connection, Due, Result, Service, Task
from .fold import Aside, Folded, Item, fold
from .parking import park
from .record import Arrival
from .sql import statement
from .steps import step

S = TypeVar("S")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn that is committed leaves to do (intents, ours to do now), and what it did: items that had their effect before, records put
    aside, how many events it decided."""

    tasks: tuple[Task, ...]
    repeated: frozenset[UUID]
    aside: tuple[Aside, ...]
    published: int


class Turns(Generic[S, K]):
    """Takes turns for a service. `owner` is the owner that new intents get."""

    def __init__(self, service: Service[S, K], pool: Pool[Any]) -> None:
        self._service = service
        self._pool = pool

    async def take(self, items: Sequence[Item], known: K, now: datetime, owner: int, wake: str) -> Outcome:
        """Handles the items in one transaction.

        Raises what the database raises, `Conflict`, `Transient`, and `Stuck` for a result or deadline that the decider cannot take.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            step("begun")
            fresh = await self._fresh(connection, items)
            if not fresh:
                return Outcome((), frozenset(item.id for item in items), (), 0)
            keys = sorted({item.key for item in fresh})
            await connection.fetch(statement("lock_keys"), sorted(key_lock(self._service.name, key) for key in keys))
            step("locked")
            stored = {entry.key: entry for entry in await self._service.store.load(connection, keys)}
            step("loaded")
            claimed, parked = await _claim(connection, fresh, keys)
            step("claimed")
            current = [item for item in fresh if _counts(item, claimed)]
            if stale := [item.id for item in fresh if isinstance(item, Arrival) and not _counts(item, claimed)]:
                await connection.execute(statement("unhandled"), stale)
            folded = fold(self._service.decide, current, stored, parked, known, now)
            step("decided")
            if folded.changed:
                await self._service.store.save(connection, folded.changed)
            step("saved")
            await self._write(connection, folded, now, owner, wake)
            step("written")
        step("committed")
        return Outcome(
            tasks=tuple(
                Task(made.id, made.key, made.intent.kind, made.intent.data, now, made.traceparent)
                for made in folded.intended
            ),
            repeated=frozenset(item.id for item in items) - {item.id for item in current},
            aside=tuple(folded.aside),
            published=len(folded.published),
        )

    async def _fresh(self, connection: Connection, items: Sequence[Item]) -> list[Item]:
        """The items without the events that had their effect before, or come twice."""
        ids = {item.id for item in items if isinstance(item, Arrival)}
        if not ids:
            return list(items)
        rows = await connection.fetch(statement("inbox"), list(ids))
        step("inboxed")
        new = {row["event_id"] for row in rows}
        fresh: list[Item] = []
        for item in items:
            if isinstance(item, Arrival):
                if item.id not in new:
                    continue
                new.discard(item.id)
            fresh.append(item)
        return fresh

    async def _write(self, connection: Connection, folded: Folded[S], now: datetime, owner: int, wake: str) -> None:
        if folded.published or folded.intended or folded.armed:
            armed = [deadline for deadline in folded.armed.values() if deadline.at is not None]
            cancelled = [deadline for deadline in folded.armed.values() if deadline.at is None]
            await connection.execute(
                statement("write"),
                now,
                owner,
                wake if folded.published else "",
                [TOPIC_OF[event.data.TYPE].name for event in folded.published],
                [event.data.key() for event in folded.published],
                [event.id for event in folded.published],
                [event.data.TYPE for event in folded.published],
                [event.traceparent for event in folded.published],
                [event.payload for event in folded.published],
                [made.id for made in folded.intended],
                [made.key for made in folded.intended],
                [made.intent.kind for made in folded.intended],
                [made.intent.data.model_dump_json().encode() for made in folded.intended],
                [made.traceparent for made in folded.intended],
                [deadline.id for deadline in armed],
                [deadline.key for deadline in armed],
                [deadline.kind for deadline in armed],
                [deadline.at for deadline in armed],
                [deadline.traceparent for deadline in armed],
                [deadline.key for deadline in cancelled],
                [deadline.kind for deadline in cancelled],
            )
        if folded.aside:
            await park(connection, self._service.name, folded.aside, now)


async def _claim(connection: Connection, items: Sequence[Item], keys: Sequence[str]) -> tuple[set[str], dict[str, int]]:
    """The ids of what counts (each can be claimed once), and the keys that have parked records, with the place of the first."""
    pasts = [item.parked for item in items if isinstance(item, Arrival) and item.parked is not None]
    rows = await connection.fetch(
        statement("claim"),
        [item.id for item in items if isinstance(item, Result)],
        [item.id for item in items if isinstance(item, Due)],
        [past.seq for past in pasts],
        [past.attempts for past in pasts],
        keys,
    )
    claimed = {row["claimed"] for row in rows if row["claimed"] is not None}
    return claimed, {row["key"]: row["first"] for row in rows if row["claimed"] is None}


def _counts(item: Item, claimed: set[str]) -> bool:
    """Whether an item is ours to handle: an event that is new to the inbox, or something whose row was claimed."""
    return (isinstance(item, Arrival) and item.parked is None) or str(item.id) in claimed


def key_lock(service: str, key: str) -> int:
    """The advisory lock of a service's key: a signed 64-bit hash. Locks are the database's, so the service is part of it."""
    return int.from_bytes(blake2b(f"{service}/{key}".encode(), digest_size=8).digest(), signed=True)

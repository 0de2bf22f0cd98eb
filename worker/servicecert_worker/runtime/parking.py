"""Parked records, and how an operator replays or discards them.

An event is in the inbox or parked, never in both: so a replay goes through the inbox like any record, and a second copy
of a parked event changes nothing. Later events of a parked record's key wait behind it (I5).
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from asyncpg import Record as Row
from servicecert_schemas.operators import RecordParked
from servicecert_schemas.topics import parked_topic

from ..core.decider import Connection, Service
from ..core.faults import OperatorError
from ..core.fold import ParkedArrival
from ..core.record import Arrival, ParkedRow, Poison, Record, arrive
from ..core.signatures import UNTRUSTED, Signer, Verifier
from ..core.traces import Sampler, as_given
from ..storage import QUERIES
from ..storage.operator_requests import permitted
from ..storage.outbox import publish

_KEYS_AT_ONCE = 1_000
_NOTICE = uuid5(UUID(int=0), "servicecert.record.parked")
Storable = Callable[[bytes], bytes]


_OCTETS_EACH = 16 * 1024
"""What those that are kept come to on average, at most."""
MOST_KEPT = 10_000
"""How many parked records are kept with headers and value by default (F5). Of a further one only the row is written.

Who can write to a topic could fill the database with records that are no events. The record itself stays in its topic,
and a replay reads it from there. Its row keeps its place: later events of its case wait behind it (I5), all others go
on (I6).
"""


async def park(
    connection: Connection,
    service: Service[Any, Any],
    items: Sequence[ParkedArrival],
    now: datetime,
    most: int,
    signer: Signer,
) -> None:
    """Park records in the turn's transaction, storable parts only, and publish that to the service's parked topic.

    Turns that park at the same time on other workers can exceed `most` by what they park.
    """
    ((kept, octets),) = await connection.fetch(QUERIES["parked_kept"], most)
    rows = []
    for parked in items:
        record, before = parked.arrival.record, parked.arrival.parked
        size = len(record.value or b"") + sum(len(name) + len(raw or b"") for name, raw in record.headers)
        has_room = kept < most and octets + size <= most * _OCTETS_EACH
        keep = (before is not None and before.kept) or (has_room and record.is_whole)
        kept, octets = kept + keep, octets + size * keep
        rows.append(_row(parked, service.tables.storable, now, keep=keep))
    await connection.execute(QUERIES["park"], *map(list, zip(*rows, strict=True)))
    notices = [_notice(service.name, parked, now) for parked in items]
    events = [(notice_id(notice.event_id, notice.attempts), notice, now) for notice in notices]
    await publish(connection, signer, parked_topic(service.name).name, events)


def notice_id(id: UUID, attempts: int) -> UUID:
    """Return the id of the event that a record was parked, by the record's id, at its so many-th attempt."""
    return uuid5(_NOTICE, f"{id}/{attempts}")


def stored_headers(headers: Sequence[tuple[str, bytes | None]], storable: Storable) -> str:
    """Return the storable part of a record's headers, as JSON."""
    return json.dumps([[name, None if raw is None else b64encode(storable(raw)).decode()] for name, raw in headers])


def _row(parked: ParkedArrival, storable: Storable, now: datetime, *, keep: bool) -> tuple[Any, ...]:
    arrival, record = parked.arrival, parked.arrival.record
    before = arrival.parked
    return (
        None if before is None else before.seq,
        arrival.id,
        arrival.key,
        record.topic,
        record.partition,
        record.offset,
        record.last,
        record.key,
        stored_headers(record.headers if keep else (), storable),
        None if record.value is None or not keep else storable(record.value),
        None if isinstance(arrival.what, Poison) else arrival.what.data.TYPE,
        parked.culprit,
        parked.reason,
        parked.error[:2_000],
        1 if before is None else before.attempts + 1,
        now if before is None else before.first_at,
        now,
        keep,
    )


def _notice(service: str, parked: ParkedArrival, now: datetime) -> RecordParked:
    arrival, record = parked.arrival, parked.arrival.record
    before = arrival.parked
    return RecordParked(
        service=service,
        event_id=arrival.id,
        record_key=arrival.key[:1_000],
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        last_offset=record.last,
        culprit=parked.culprit,
        reason=parked.reason,
        error=parked.error[:2_000],
        attempts=1 if before is None else before.attempts + 1,
        first_at=now if before is None else before.first_at,
        last_at=now,
    )


async def released(
    connection: Connection, limit: int, verifier: Verifier, sampler: Sampler = as_given
) -> list[Arrival]:
    """Return up to `limit` released records, read again, in the order in which they were parked."""
    rows = await connection.fetch(QUERIES["released"], limit)
    return await asyncio.to_thread(lambda: [_arrival(row, verifier, sampler) for row in rows])


def _arrival(row: Row, verifier: Verifier, sampler: Sampler) -> Arrival:
    headers = [(name, None if raw is None else b64decode(raw)) for name, raw in json.loads(row["headers"])]
    place = row["topic"], row["partition"], row["offset"]
    record = Record(*place, row["record_key"], headers, row["value"], row["first_at"], last=row["last_offset"])
    arrival = arrive(record, verifier, ParkedRow(row["seq"], row["attempts"], row["first_at"], row["kept"]), sampler)
    if not row["kept"]:
        return _unreadable(arrival, row, "not-kept", "The record is in its topic only: replay it again.")
    if isinstance(arrival.what, Poison):
        return replace(arrival, what=replace(arrival.what, id=row["event_id"], key=row["key"]))
    if (arrival.id, arrival.key) != (row["event_id"], row["key"]) and row["reason"] not in UNTRUSTED:
        return _unreadable(arrival, row, "changed", "The record decodes to another event than before.")
    return arrival


def _unreadable(arrival: Arrival, row: Row, reason: str, error: str) -> Arrival:
    poison = Poison(row["event_id"], row["key"], reason, error, traceparent=arrival.traceparent)
    return replace(arrival, what=poison)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parked records an operator selects, the oldest `limit` of them; None matches all."""

    event_id: UUID | None = None
    key: str | None = None
    reason: str | None = None
    before: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parked record is in Kafka; of one that stands for many the first and the last."""

    event_id: UUID
    topic: str
    partition: int
    offset: int
    last_offset: int | None

    def __str__(self) -> str:
        last = "" if self.last_offset is None else f"-{self.last_offset}"
        return f"{self.topic}/{self.partition}/{self.offset}{last}"


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A parked record as an operator sees it. `waiting` counts the later records of its key behind it.

    One with a `last_offset` stands for all that is no event up to there. `kept` is false where there were too many, or
    too much: headers and value are in its topic only.
    """

    event_id: UUID
    key: str
    topic: str
    partition: int
    offset: int
    last_offset: int | None
    type: str | None
    culprit: bool
    reason: str
    error: str
    attempts: int
    first_at: datetime
    last_at: datetime
    released: bool
    kept: bool
    waiting: int

    @property
    def place(self) -> Place:
        return Place(self.event_id, self.topic, self.partition, self.offset, self.last_offset)


async def find(connection: Connection, selection: Selection) -> list[ParkedRecord]:
    """Return the culprits of a selection, oldest first."""
    rows = await connection.fetch(QUERIES["find_parked"], *astuple(selection))
    return [ParkedRecord(**dict(row)) for row in rows]


async def value(connection: Connection, event_id: UUID) -> bytes | None:
    """Return the stored value of a parked record."""
    stored: bytes | None = await connection.fetchval("select value from parked where event_id = $1", event_id)
    return stored


async def unkept(connection: Connection, event_ids: Sequence[UUID]) -> list[Place]:
    """Return the places of the records that a replay of these culprits has to read from their topics."""
    return [Place(**dict(row)) for row in await connection.fetch(QUERIES["parked_unkept"], list(event_ids))]


async def require_refilling(connection: Connection) -> None:
    """Raise `OperatorError` if the login may not `refill`: an operator's could plant a record with it."""
    if not await connection.fetchval("select has_column_privilege('parked', 'value', 'update')"):
        raise OperatorError(
            "Values of these records are in their topics only: run this once with the service's own DATABASE_URL, "
            "which stores them, and then again with an operator's.",
            77,
        )


async def refill(connection: Connection, event_id: UUID, record: Record, storable: Storable) -> None:
    """Store headers and value of a record that was parked without."""
    value = None if record.value is None else storable(record.value)
    await connection.execute(QUERIES["refill_parked"], event_id, stored_headers(record.headers, storable), value)


async def replay(connection: Connection, event_ids: Sequence[UUID]) -> int:
    """Release the keys of these culprits: a worker handles their records again, in order. Return how many matched."""
    return await _act(connection, "select replay_parked($1)", event_ids)


async def discard(connection: Connection, event_ids: Sequence[UUID]) -> int:
    """Delete these culprits for good, and release the records behind them. Return how many matched."""
    return await _act(connection, "select discard_parked($1)", event_ids)


async def _act(connection: Connection, act: str, event_ids: Sequence[UUID]) -> int:
    """Act on all culprits of some keys at a time: each key is a lock, and PostgreSQL has room for so many."""
    rows = await connection.fetch(QUERIES["parked_keys"], list(event_ids))
    count = 0
    for start in range(0, len(rows), _KEYS_AT_ONCE):
        ids = [id for row in rows[start : start + _KEYS_AT_ONCE] for id in row["ids"]]
        count += await permitted(connection.fetchval(act, ids))
    return count

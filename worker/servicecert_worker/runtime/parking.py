"""Parked records, and how an operator replays or discards them.

An event is in the inbox or parked, never in both: so a replay goes through the inbox like any record, and a second copy
of a parked event changes nothing. Later events of a parked record's key wait behind it (I5).
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from asyncpg import Record as Row
from servicecert_schemas.parked import RecordParked
from servicecert_schemas.topics import parked_topic

from ..decider import Connection
from ..signatures import UNTRUSTED, Signer, Verifier
from ..storage import QUERIES
from ..storage.operator_requests import permitted
from .fold import ParkedArrival
from .record import Arrival, ParkedRow, Poison, Record, arrive

_NOTICE = uuid5(UUID(int=0), "servicecert.record.parked")
Storable = Callable[[bytes], bytes]


async def park(
    connection: Connection,
    service: str,
    storable: Storable,
    items: Sequence[ParkedArrival],
    now: datetime,
    signer: Signer | None = None,
) -> None:
    """Park records in the turn's transaction, `storable` parts only, and publish that to the service's parked topic."""
    rows = [_row(parked, storable, now) for parked in items]
    await connection.execute(QUERIES["park"], *map(list, zip(*rows, strict=True)))
    topic, notices = parked_topic(service).name, [_notice(service, parked, now) for parked in items]
    ids = [uuid5(_NOTICE, f"{notice.event_id}/{notice.attempts}") for notice in notices]
    payloads = [notice.model_dump_json().encode() for notice in notices]
    await connection.execute(
        QUERIES["publish"],
        [topic] * len(notices),
        [notice.key() for notice in notices],
        ids,
        [RecordParked.TYPE] * len(notices),
        payloads,
        now,
        [
            None if signer is None else signer.sign(topic, notice.key(), id, notice.TYPE, payload, now)
            for notice, id, payload in zip(notices, ids, payloads, strict=True)
        ],
    )


def _row(parked: ParkedArrival, storable: Storable, now: datetime) -> tuple[Any, ...]:
    arrival, record = parked.arrival, parked.arrival.record
    before = arrival.parked
    return (
        None if before is None else before.seq,
        arrival.id,
        arrival.key,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        json.dumps(
            [[name, None if raw is None else b64encode(storable(raw)).decode()] for name, raw in record.headers]
        ),
        None if record.value is None else storable(record.value),
        None if isinstance(arrival.what, Poison) else arrival.what.data.TYPE,
        parked.culprit,
        parked.reason,
        parked.error[:2_000],
        1 if before is None else before.attempts + 1,
        now if before is None else before.first_at,
        now,
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
        culprit=parked.culprit,
        reason=parked.reason,
        error=parked.error[:2_000],
        attempts=1 if before is None else before.attempts + 1,
        first_at=now if before is None else before.first_at,
        last_at=now,
    )


async def released(connection: Connection, limit: int, verifier: Verifier) -> list[Arrival]:
    """Return the records of up to `limit` released keys, read again, each key's in the order they were parked."""
    return [_arrival(row, verifier) for row in await connection.fetch(QUERIES["released"], limit)]


def _arrival(row: Row, verifier: Verifier) -> Arrival:
    headers = [(name, None if raw is None else b64decode(raw)) for name, raw in json.loads(row["headers"])]
    record = Record(
        row["topic"], row["partition"], row["offset"], row["record_key"], headers, row["value"], row["first_at"]
    )
    arrival = arrive(record, verifier, ParkedRow(row["seq"], row["attempts"], row["first_at"]))
    if isinstance(arrival.what, Poison):
        return replace(arrival, what=replace(arrival.what, id=row["event_id"], key=row["key"]))
    if (arrival.id, arrival.key) != (row["event_id"], row["key"]) and row["reason"] not in UNTRUSTED:
        poison = Poison(row["event_id"], row["key"], "changed", "The record decodes to another event than before.")
        return replace(arrival, what=poison)
    return arrival


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parked records an operator selects; None matches all."""

    event_id: UUID | None = None
    key: str | None = None
    reason: str | None = None
    before: datetime | None = None

    def arguments(self) -> tuple[UUID | None, str | None, str | None, datetime | None]:
        return (self.event_id, self.key, self.reason, self.before)


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A parked record as an operator sees it. `waiting` counts the later records of its key behind it."""

    event_id: UUID
    key: str
    topic: str
    partition: int
    offset: int
    type: str | None
    culprit: bool
    reason: str
    error: str
    attempts: int
    first_at: datetime
    last_at: datetime
    released: bool
    waiting: int


async def find(connection: Connection, selection: Selection) -> list[ParkedRecord]:
    """Return the culprits of a selection, oldest first."""
    rows = await connection.fetch(QUERIES["find_parked"], *selection.arguments())
    return [ParkedRecord(**dict(row)) for row in rows]


async def value(connection: Connection, event_id: UUID) -> bytes | None:
    """Return the stored value of a parked record."""
    stored: bytes | None = await connection.fetchval("select value from parked where event_id = $1", event_id)
    return stored


async def replay(connection: Connection, event_ids: Sequence[UUID]) -> int:
    """Release the keys of these culprits: a worker handles their records again, in order. Return how many matched."""
    return await permitted(connection.fetchval("select replay_parked($1)", list(event_ids)))


async def discard(connection: Connection, event_ids: Sequence[UUID]) -> int:
    """Delete these culprits for good, and release the records behind them. Return how many matched."""
    return await permitted(connection.fetchval("select discard_parked($1)", list(event_ids)))

"""Records that are put aside, and how an operator lets them go on.

An event is in the inbox or parked, never in both: so a replay goes through the same inbox as any record, and a second copy of a parked event changes
nothing. Later events of a parked record's key wait behind it (I5).
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from asyncpg import Record as Row
from servicecert_schemas.parked import RecordParked
from servicecert_schemas.topics import parked_topic

from ..audit.chain import is_case
from ..decider import Connection
from ..storage import QUERIES
from ..storage.operator_requests import Act, Operation
from .fold import Aside
from .record import Arrival, Parked, Poison, Record, arrive

_NOTICE = uuid5(UUID(int=0), "servicecert.record.parked")


async def park(
    connection: Connection, service: str, storable: Callable[[bytes], bytes], asides: Sequence[Aside], now: datetime
) -> None:
    """Puts records aside, in the turn's transaction, and tells the service's parked topic. Of each value and header only what is `storable` is kept."""
    rows = [_row(aside, storable, now) for aside in asides]
    await connection.execute(QUERIES["park"], *map(list, zip(*rows, strict=True)))
    notices = [_notice(service, aside, now) for aside in asides]
    await connection.execute(
        QUERIES["publish"],
        [parked_topic(service).name] * len(notices),
        [notice.key() for notice in notices],
        [uuid5(_NOTICE, f"{notice.event_id}/{notice.attempts}") for notice in notices],
        [RecordParked.TYPE] * len(notices),
        [notice.model_dump_json().encode() for notice in notices],
        now,
    )


def _row(aside: Aside, storable: Callable[[bytes], bytes], now: datetime) -> tuple[Any, ...]:
    arrival, record = aside.arrival, aside.arrival.record
    past = arrival.parked
    return (
        None if past is None else past.seq,
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
        aside.culprit,
        aside.reason,
        aside.error[:2_000],
        1 if past is None else past.attempts + 1,
        now if past is None else past.first_at,
        now,
    )


def _notice(service: str, aside: Aside, now: datetime) -> RecordParked:
    arrival, record = aside.arrival, aside.arrival.record
    past = arrival.parked
    return RecordParked(
        service=service,
        event_id=arrival.id,
        record_key=arrival.key[:1_000],
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        culprit=aside.culprit,
        reason=aside.reason,
        error=aside.error[:2_000],
        attempts=1 if past is None else past.attempts + 1,
        first_at=now if past is None else past.first_at,
        last_at=now,
    )


async def released(connection: Connection, limit: int) -> list[Arrival]:
    """The records of released keys, decoded anew, each key's in the order in which they were parked."""
    return [_arrival(row) for row in await connection.fetch(QUERIES["released"], limit)]


def _arrival(row: Row) -> Arrival:
    headers = [(name, None if raw is None else b64decode(raw)) for name, raw in json.loads(row["headers"])]
    record = Record(
        row["topic"], row["partition"], row["offset"], row["record_key"], headers, row["value"], row["first_at"]
    )
    arrival = arrive(record, Parked(row["seq"], row["attempts"], row["first_at"]))
    if arrival.id != row["event_id"]:
        poison = Poison(row["event_id"], row["key"], "changed", "The record decodes to another event than before.")
        return Arrival(record, poison, arrival.parked)
    return arrival


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parked records an operator means. What is not given does not narrow."""

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
    """The culprits of a selection, oldest first."""
    rows = await connection.fetch(QUERIES["find_parked"], *selection.arguments())
    return [ParkedRecord(**dict(row)) for row in rows]


async def value(connection: Connection, event_id: UUID) -> bytes | None:
    """The value of a parked record, as it came."""
    found: bytes | None = await connection.fetchval("select value from parked where event_id = $1", event_id)
    return found


async def replay(connection: Connection, event_ids: Sequence[UUID]) -> int:
    """Lets the keys of the given culprits go on: a worker takes their records anew, in order. Answers how many culprits it found."""
    return await _act(connection, "replay", event_ids)


async def discard(connection: Connection, event_ids: Sequence[UUID]) -> int:
    """Drops the given culprits for ever and lets what waits behind them go on. Answers how many it found."""
    return await _act(connection, "discard", event_ids)


async def _act(connection: Connection, what: str, event_ids: Sequence[UUID]) -> int:
    async with connection.transaction():
        rows = await connection.fetch(QUERIES[f"{what}_parked"], list(event_ids))
        await Operation(connection, f"parked {what}").tell(
            Act(_told_by(row), {"event": row["event_id"], "reason": row["reason"]}) for row in rows
        )
    return len(rows)


def _told_by(row: Row) -> str:
    """A record that is no event may have any key, a person's name too: the audit tells it by its place, as it does when it is parked."""
    event = row["type"] is not None or is_case(row["key"])
    return row["key"] if event else f"{row['topic']}/{row['partition']}/{row['offset']}"

"""Keeps in a service's tables what its topics have of its own: the version before has deleted what it had published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import asyncpg
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import SEQUENCE, SIGNATURE
from servicecert_schemas.topics import Topic
from servicecert_worker.core.record import Record

from ..connections.schema import connected
from .republishing import AT_ONCE, Place, events_of

_KNOWN = "select event_id from events where topic = $1"
_KEEP = """
insert into events (topic, id, key, event_id, type, traceparent, at, payload, signature) overriding system value
select $1, * from unnest(
    $2::bigint[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::bytea[], $9::text[]
)
on conflict do nothing
"""
_ERASE = "delete from events where topic = $1 and key = $2"
_BEFORE_ALL = "select least(min(id), 0) - 1000000000000 from events"
# They are published already.
_SENT = "delete from changes where name = 'events' and keys <@ $1::text[]"


async def keep(place: Place) -> dict[str, int]:
    """Store the events that topics have and the tables do not, and return how many of each topic.

    Their place among all of the service is in their headers, but for those of early releases, which come before all
    others. Raises OperatorError.
    """
    async with connected(place.url, place.service, patient=True) as connection:
        kept = {topic.name: await _keep(place, connection, topic) for topic in events_of(place.service)}
        await connection.execute("update journal set pruned = default")
    return kept


async def _keep(place: Place, connection: asyncpg.Connection[Any], topic: Topic) -> int:
    known = {row["event_id"].bytes for row in await connection.fetch(_KNOWN, topic.name)}
    places = count(await connection.fetchval(_BEFORE_ALL))
    rows, kept = list[tuple[object, ...]](), 0
    async with connection.transaction():
        async for record, envelope in place.records(topic):
            erased = record.key if record.value is None and topic.compacted else None
            if envelope is not None and envelope.id.bytes not in known:
                known.add(envelope.id.bytes)
                rows.append(_row(record, envelope, places))
                kept += 1
            if erased or len(rows) >= AT_ONCE:
                await _store(connection, topic, rows)
                rows = []
            if erased:
                await connection.execute(_ERASE, topic.name, erased.decode())
        await _store(connection, topic, rows)
    return kept


def _row(record: Record, envelope: Envelope, places: Iterator[int]) -> tuple[object, ...]:
    headers = {name: raw.decode() for name, raw in record.headers if raw is not None}
    place = int(headers[SEQUENCE]) if SEQUENCE in headers else next(places)
    key, type, traceparent = envelope.partitionkey, envelope.type, envelope.traceparent
    return place, key, envelope.id, type, traceparent, envelope.time, record.value, headers[SIGNATURE]


async def _store(connection: asyncpg.Connection[Any], topic: Topic, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(_KEEP, topic.name, *columns)
        await connection.execute(_SENT, [str(row[0]) for row in rows])

"""Publishes again what a service's topics have lost: the tables keep what was published.

What is missing is noted as changed, so that the service's relay publishes it as it was, under its own ids.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from servicecert_schemas.codec import Undecodable, read_envelope
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import headers_of
from servicecert_schemas.topics import Topic, journal_topic
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.record import Record
from servicecert_worker.core.service_keys import TrustedKeys
from servicecert_worker.core.signatures import Signer, Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.journal import Number, Part, read_part
from servicecert_worker.runtime.worker import written_topics
from servicecert_worker.storage import QUERIES
from servicecert_worker.storage.operator_requests import OperatorAction, record

from ..admin import topics
from ..connections import kafka
from ..connections.schema import connected

_AT_ONCE = 500
"""How many keys are locked at once: turns about them wait meanwhile."""
_TAIL = 20
"""How many of a journal's last records are read at first."""

IN_TOPIC, WAITING, MISSING = "in_topic", "in_outbox", "missing"

_BEGINNING = datetime.min.replace(tzinfo=UTC)

_KEPT = "select id, key, event_id from events where topic = $1 and at >= $2 and id <= $3 order by id"
# What follows a missing event of its key is published again too: readers get a key's events in their order.
_FOLLOWING = """
select e.id from unnest($2::text[], $3::bigint[]) as f (key, first) join events as e using (key)
where e.topic = $1 and e.id >= f.first order by e.id
"""
_NOTE = "insert into changes (name, keys) values ('events', $1::bigint[]::text[])"
_SIGN = """
with gone as (delete from events where id = any($1::bigint[]) returning *)
insert into events (id, topic, key, event_id, type, traceparent, at, payload, signature) overriding system value
select g.id, g.topic, g.key, g.event_id, g.type, g.traceparent, g.at, g.payload, s.signature
from gone as g join unnest($1::bigint[], $2::text[]) as s (id, signature) using (id)
"""
_IS_UNKNOWN = """
select (epoch, look) < ($1, $2) and exists (select unnest($3::uuid[]) except select id from changes) from journal
"""
# The journal begins anew, as it did first: a copy of the tables from before lacks a row of the audit, and is too old.
_GO_ON = """
with begun as (
    insert into changes (name, keys)
    select 'audit', array_agg(jsonb_build_array(c.chain, last.seq)::text) from audit_chains as c
    cross join lateral (select seq from audit where chain = c.chain order by seq desc limit 1) as last
    having count(*) > 0
)
update journal set epoch = $1, look = $2, next_offset = $3
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A service's tables and topics, with the public keys of all services."""

    service: str
    url: str
    cluster: Cluster
    keys: TrustedKeys

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.keys, self.cluster.prefix)

    async def records(self, topic: Topic, last: int | None = None) -> AsyncGenerator[tuple[Record, Envelope | None]]:
        """Yield a topic's records, or the last of each partition. Those that are not the service's have no envelope."""
        async with aclosing(kafka.records(self.cluster, topic, last=last)) as records:
            async for each in records:
                envelope = None
                with suppress(Undecodable):
                    if self.verifier.is_from(self.service, each.topic, each.key, each.headers, each.value):
                        envelope = read_envelope(each.key, each.headers)
                yield each, envelope


async def republish(place: Place, signer: Signer | None, *, act: bool) -> dict[str, Counter[str]]:
    """Count by topic the events that the tables keep, and where they are; to `act`, note what is missing as changed.

    Of a compacted topic the newest event of each key counts, of the journal the last look. A record that no pinned key
    of the service has signed counts as missing: readers do not believe it. The signer signs such events anew. Raises
    OperatorError, also if the tables lack what the journal has: they would decide it again.
    """
    journal = journal_topic(place.service)
    async with connected(place.url, place.service, patient=True) as connection:
        go_on, counts, went_back = await _journal(place, connection)
        found = {
            topic.name: await _compare(place, connection, topic)
            for topic in written_topics(place.service)
            if topic != journal
        }
        if act:
            await topics.rewind(place.cluster, place.service, went_back=went_back)
            for topic, (_, missing) in found.items():
                await _note(place, connection, signer, topic, missing)
            if counts[MISSING]:
                async with connection.transaction():
                    await connection.execute(_GO_ON, *go_on)
                    await record(connection, "republish", [OperatorAction("", {journal.name: 1})])
    return {**{topic: counted for topic, (counted, _) in found.items()}, journal.name: counts}


async def _compare(
    place: Place, connection: asyncpg.Connection, topic: Topic
) -> tuple[Counter[str], Mapping[str, int]]:
    """Return where the events of a topic are, and of each key the first one that is missing.

    What waits is read before the topic, and what is decided later does not count: neither is missing.
    """
    waiting = {row["id"] for row in await connection.fetch("select id from outbox where topic = $1", topic.name)}
    last = await connection.fetchval("select coalesce(max(id), 0) from events")
    published = {envelope.id.bytes async for _, envelope in place.records(topic) if envelope is not None}
    oldest = _BEGINNING if topic.retention is None else datetime.now(UTC) - topic.retention
    counts, newest, missing = Counter[str](), dict[str, str](), dict[str, int]()
    async with connection.transaction():
        async for id, key, event_id in connection.cursor(_KEPT, topic.name, oldest, last, prefetch=5_000):
            where = IN_TOPIC if event_id.bytes in published else WAITING if id in waiting else MISSING
            if topic.compacted:
                newest[key] = where
            else:
                counts[where] += 1
            if where is MISSING:
                missing.setdefault(key, id)
            elif topic.compacted:
                missing.pop(key, None)
    return counts + Counter(newest.values()), missing


async def _note(
    place: Place, connection: asyncpg.Connection, signer: Signer | None, topic: str, missing: Mapping[str, int]
) -> None:
    keys = list(missing)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        async with connection.transaction():
            await connection.execute(QUERIES["lock_keys"], some)
            ids = [row["id"] for row in await connection.fetch(_FOLLOWING, topic, some, [missing[key] for key in some])]
            for first in range(0, len(ids), _AT_ONCE):
                await _sign(place, connection, signer, ids[first : first + _AT_ONCE])
            await connection.execute(_NOTE, ids)
            await record(connection, "republish", [OperatorAction("", {topic: len(ids)})])


async def _sign(place: Place, connection: asyncpg.Connection, signer: Signer | None, ids: Collection[int]) -> None:
    """Sign anew what a key has signed that is pinned no more. What no turn has signed stays as it is."""
    signatures: dict[int, str] = {}
    for row in await connection.fetch("select * from events where id = any($1::bigint[])", ids):
        event = tuple(row[name] for name in ("topic", "key", "event_id", "type", "payload", "at", "traceparent"))
        if row["signature"] is None or _is_signed(place, row):
            continue
        if signer is None:
            raise OperatorError(
                f"Events of {row['topic']} are signed by a key that is pinned no more: name the key of {place.service} "
                "by --key or SERVICECERT_SERVICE_KEY_FILE."
            )
        signatures[row["id"]] = signer.sign(*event)
    await connection.execute(_SIGN, list(signatures), list(signatures.values()))


def _is_signed(place: Place, row: asyncpg.Record) -> bool:
    key, at = row["key"], row["at"].astimezone(UTC)
    source = f"/{place.service}"
    headers = headers_of(
        Envelope(row["event_id"], source, row["type"], key, at, key, row["traceparent"], row["signature"])
    )
    topic = place.cluster.prefix + row["topic"]
    return place.verifier.is_from(place.service, topic, key.encode(), headers, row["payload"])


async def _journal(
    place: Place, connection: asyncpg.Connection
) -> tuple[tuple[int, int, int | None], Counter[str], bool]:
    """Return after what the journal is to go on, whether it has all up to the look that the database noted last, and
    whether it is shorter than that: then the broker went back. One whose key is pinned no more did not.

    Raises OperatorError if the database lacks what the journal has.
    """
    ((epoch, look, noted),) = await connection.fetch("select epoch, look, next_offset from journal")
    parts, end = await _tail(place)
    newest = max((each.number for each in parts), default=Number(0, 0))
    changes = [id for each in parts if each.number == newest for id in each.changes]
    if newest > (epoch, look) and await connection.fetchval(_IS_UNKNOWN, *newest, changes):
        raise OperatorError(
            f"The database of {place.service} comes from the past: its journal has what it does not know. Nothing was "
            f"done. Start no worker, and run `servicecert restore check {place.service}`.",
            65,
        )
    number = next((each.number for each in parts if each.offset + 1 == end), Number(epoch, look))
    went_back = (end or 0) < (noted or 0)
    # A relay may have sent a look to a topic that was made anew, before it saw that.
    where = IN_TOPIC if newest >= (epoch, look) and not went_back else MISSING
    return (*number, end), Counter([] if noted is None else [where]), went_back


async def _tail(place: Place) -> tuple[Sequence[Part], int | None]:
    """Return the last parts of the journal that the service has signed, with the whole last look; and its end."""
    last = _TAIL
    while True:
        records = [each async for each in place.records(journal_topic(place.service), last)]
        parts = [read_part(place.service, each, place.verifier) for each, envelope in records if envelope is not None]
        begun = any(each.place == 0 and each.number == max(it.number for it in parts) for each in parts)
        if begun or not parts or len(records) < last:
            return parts, records[-1][0].offset + 1 if records else None
        last *= 4

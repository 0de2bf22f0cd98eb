"""The relay: sends what a service's tables hold of all that changed to its journal, and then publishes the events.

So no event is ever known that the journal does not know. What the brokers acknowledged is noted with the next look.

One runs per service (an advisory lock), so that a key's events keep their order. If it dies between acknowledgement and
note, the events are published again under the same ids.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from time import monotonic, time_ns
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata
from pydantic_core import to_json
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import headers_of
from servicecert_schemas.topics import MAX_JOURNAL_BYTES, journal_topic

from ..core.clock import machine_clock
from ..core.crash_points import crash_point
from ..core.faults import OperatorError, with_timeout
from ..core.signatures import Signer
from ..kafka.cluster import Cluster
from ..kafka.fence import older_broker
from ..kafka.journal import TYPE as JOURNAL_ROWS
from ..kafka.journal import Number, Parts, written_group
from ..kafka.partitioner import partition_for
from ..observe.telemetry import Telemetry
from ..storage.journal import EVENT_COLUMNS, EVENTS, NOTHING_SENT, Look, Looks, Note, begin_epoch, tables
from .sent import Sent

SEND_SECONDS = 30.0
"""How long an acknowledgement may take: aiokafka waits for ever."""
_LOOK_SECONDS = 1.0
"""How long the relay pauses if nothing wakes it: what operators change wakes nobody."""
_EVENTS_AT_ONCE = 500
"""How many events are sent before their acknowledgements are awaited, so that memory stays bounded."""


class Outgoing(NamedTuple):
    """An event to publish, with its signature."""

    topic: str
    key: str
    id: UUID
    type: str
    traceparent: str | None
    at: datetime
    payload: bytes
    signature: str | None


def producer_of(cluster: Cluster, service: str) -> AIOKafkaProducer:
    """Return an idempotent producer, so that the events of a key keep their order when sends are retried.

    It is aiokafka's and not FastStream's: docs/decisions/faststream.md says why.
    """
    return AIOKafkaProducer(
        **cluster.client,
        client_id=service,
        acks="all",
        enable_idempotence=True,
        partitioner=partition_for,
        max_batch_size=256 * 1024,
        max_request_size=MAX_JOURNAL_BYTES,
        request_timeout_ms=15_000,
    )


async def send_all(
    producer: AIOKafkaProducer, prefix: str, source: str, events: Iterable[Outgoing]
) -> list[RecordMetadata]:
    """Return where each event is, once all copies in sync have it. Raises `TimeoutError`, and what aiokafka raises."""
    async with asyncio.timeout(SEND_SECONDS):
        return await asyncio.gather(*[await _send(producer, prefix, source, each) for each in events])


async def _send(producer: AIOKafkaProducer, prefix: str, source: str, event: Outgoing) -> asyncio.Future[Any]:
    key, at = event.key, event.at.astimezone(UTC)
    envelope = Envelope(event.id, source, event.type, key, at, key, event.traceparent, event.signature)
    sent: asyncio.Future[Any] = await producer.send(
        prefix + event.topic,
        value=event.payload,
        key=key.encode(),
        headers=headers_of(envelope),
        # A broker refuses timestamps more than an hour ahead of its clock; SERVICECERT_CLOCK_AHEAD may set ours ahead.
        timestamp_ms=int(min(at, machine_clock()).timestamp() * 1000),
    )
    return sent


@dataclass(eq=False)
class Relay:
    """Sends what changed to the journal, and then publishes the events among it.

    `wake` ends the pause between two looks. `linger` returns how long what is sent stays noted as a change if nothing
    else comes, in seconds: mostly, something comes sooner.
    """

    connection: asyncpg.Connection
    producer: AIOKafkaProducer
    cluster: Cluster
    service: str
    signer: Signer
    wake: asyncio.Event
    sent: Sent
    telemetry: Telemetry
    linger: Callable[[], float]
    _next_offset: int = field(default=0, init=False)
    _last_offsets: dict[tuple[str, int], int] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Send for ever.

        Raises `TimeoutError` after 30 s without acknowledgement, `OperatorError` if the broker is older than the
        database, and asyncpg's and aiokafka's errors.
        """
        looks = Looks(await tables(self.connection))
        epoch, self._next_offset = await begin_epoch(self.connection)
        number, note = Number(epoch, 0), NOTHING_SENT
        try:
            while True:
                self.wake.clear()
                begun = monotonic()
                async with looks.look(self.connection, note) as look:
                    if note.changes:
                        crash_point("relay-noted")
                    note = NOTHING_SENT
                    if look.changes:
                        number = Number(epoch, number.look + 1)
                        await self._send(number, look)
                        note = Note(look.changes, *number, self._next_offset)
                self.sent.up_to(begun)
                with suppress(TimeoutError):
                    await with_timeout(self.linger() if note.changes else _LOOK_SECONDS, self.wake.wait())
        finally:
            if note.changes:
                # The next leader need not send them again.
                with suppress(Exception):
                    await with_timeout(_LOOK_SECONDS, looks.note(self.connection, note))

    async def _send(self, number: Number, look: Look) -> None:
        """Send a look, and return once all copies in sync have the journal's records, and after them the events."""
        crash_point("relay-read")
        read = time_ns()
        parts = Parts(number, look.changes)
        async for row in look.rows():
            if full := parts.add(row["groups"] or _group_of(row)):
                await self._record(full)
        for value in parts.end():
            await self._record(value)
        crash_point("relay-journaled")
        events: list[asyncpg.Record] = []
        async for event in look.events():
            events.append(event)
            if len(events) == _EVENTS_AT_ONCE:
                await self._publish(events, read)
                events = []
        await self._publish(events, read)
        crash_point("relay-acked")

    async def _record(self, value: bytes) -> None:
        """Send a record of the journal.

        Raises `OperatorError` if the topic has fewer records than were sent, or takes none of this size.
        """
        topic, id, at = journal_topic(self.service).name, uuid4(), machine_clock()
        signature = self.signer.sign(topic, self.service, id, JOURNAL_ROWS, value, at)
        record = Outgoing(topic, self.service, id, JOURNAL_ROWS, None, at, value, signature)
        try:
            (sent,) = await send_all(self.producer, self.cluster.prefix, self.signer.source, [record])
        except MessageSizeTooLargeError as error:
            raise OperatorError(
                f"The topic {self.cluster.name(journal_topic(self.service))} does not take a record of {len(value)} "
                f"octets: set its max.message.bytes to {MAX_JOURNAL_BYTES}, the most that is ever sent."
            ) from error
        if sent.offset < 0:
            raise KafkaError("The broker has a repeated record, and no longer knows where.")
        if sent.offset < self._next_offset:
            raise older_broker(self.service).error()
        self._next_offset = sent.offset + 1

    async def _publish(self, rows: Sequence[asyncpg.Record], read: int) -> None:
        events = [Outgoing._make(event) for event in map(itemgetter(*EVENT_COLUMNS[1:]), rows)]
        sent = await send_all(self.producer, self.cluster.prefix, self.signer.source, events)
        for each in sent:
            place = each.topic, each.partition
            # A repeated record has offset -1.
            if 0 <= each.offset < self._last_offsets.get(place, 0):
                raise older_broker(self.service, each.topic).error()
            self._last_offsets[place] = max(each.offset, self._last_offsets.get(place, 0))
        self.telemetry.sent(rows, [(each.partition, each.offset) for each in sent], read)


def _group_of(event: asyncpg.Record) -> str:
    """Return the group of a row of `events` in JSON: its payload as text, which the table has in octets."""
    row = {name: event[name] for name in EVENT_COLUMNS}
    return written_group(EVENTS, str(event["id"]), to_json({EVENTS: [row]}).decode())

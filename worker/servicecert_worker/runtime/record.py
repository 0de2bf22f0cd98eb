"""Kafka records as the worker handles them, and what they decode to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, UUID, uuid5

from servicecert_schemas.codec import MAX_HEADER_BYTES, Undecodable, decode, read_envelope

from ..decider import Event
from ..faults import error_summary

_LAST_MILLISECOND = 253_402_300_799_000


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read from Kafka. `written` is its producer's timestamp."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    written: datetime


def time_of(milliseconds: int) -> datetime:
    """Return the time of a record's timestamp. Kafka does not check it, so it is clamped to the years 1970 to 9999."""
    return datetime.fromtimestamp(min(max(milliseconds, 0), _LAST_MILLISECOND) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be decoded, examined or stored, in its place among the others.

    `error` quotes no value of the record; `raised` is the type and line of the exception, if there was one.
    """

    id: UUID
    key: str
    reason: str
    error: str
    raised: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """The row of a record that was parked before: its place, how often and since when it was parked.

    `kept` is whether it holds headers and value.
    """

    seq: int
    attempts: int
    first_at: datetime
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record with what it decoded to, and its row if it was parked before."""

    record: Record
    what: Event | Poison
    parked: ParkedRow | None = None

    @property
    def key(self) -> str:
        return self.what.key

    @property
    def id(self) -> UUID:
        return self.what.id


def arrive(record: Record, parked: ParkedRow | None = None) -> Arrival:
    """Return a record with what it decodes to: `Poison` if that is not a valid event."""
    try:
        envelope, data = decode(record.key, record.headers, record.value)
    except Undecodable as fault:
        poison = Poison(_poison_id(record), key_of(record), fault.code, fault.text, error_summary(fault))
        return Arrival(record, poison, parked)
    event = Event(envelope.id, envelope.partitionkey, data, envelope.time, None, envelope.traceparent)
    return Arrival(record, event, parked)


def key_of(record: Record) -> str:
    """Return the key that orders a record: its position if the key is unreadable or huge, so that no other waits."""
    try:
        if record.key and len(record.key) <= MAX_HEADER_BYTES:
            return record.key.decode().replace("\0", "")
    except UnicodeDecodeError:
        pass
    return f"{record.topic}/{record.partition}/{record.offset}"


def _poison_id(record: Record) -> UUID:
    """Return the event's own id if it has one, so that a second copy is recognised."""
    try:
        return read_envelope(record.key, record.headers).id
    except Undecodable:
        return uuid5(
            NAMESPACE_OID, f"{record.topic}/{record.partition}/{record.offset}/{record.written.astimezone(UTC)}"
        )

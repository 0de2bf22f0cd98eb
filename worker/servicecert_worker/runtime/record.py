"""Records of Kafka as the worker carries them, and what they decode to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, UUID, uuid5

from servicecert_schemas.codec import MAX_HEADER_BYTES, Undecodable, decode, read_envelope

from ..decider import Event

_LAST_MILLISECOND = 253_402_300_799_000


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read. `written` is the time its producer stamped it with."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    written: datetime


def time_of(milliseconds: int) -> datetime:
    """Return the moment of a record's timestamp. Nobody checks those: one outside the years 1970 to 9999 counts as their first or last moment."""
    return datetime.fromtimestamp(min(max(milliseconds, 0), _LAST_MILLISECOND) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be handled, in the place where it came. `error` holds no value of the record."""

    id: UUID
    key: str
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A record's past: its place among the parked, how often and since when it was parked."""

    seq: int
    attempts: int
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record with what it decoded to, and its past if it was parked before."""

    record: Record
    what: Event | Poison
    parked: Parked | None = None

    @property
    def key(self) -> str:
        return self.what.key

    @property
    def id(self) -> UUID:
        return self.what.id


def arrive(record: Record, parked: Parked | None = None) -> Arrival:
    """What a record decodes to. One that is no event of ours becomes `Poison`, and keeps its place."""
    try:
        envelope, data = decode(record.key, record.headers, record.value)
    except Undecodable as fault:
        return Arrival(record, Poison(_poison_id(record), key_of(record), fault.code, fault.text), parked)
    event = Event(envelope.id, envelope.partitionkey, data, envelope.time, None, envelope.traceparent)
    return Arrival(record, event, parked)


def key_of(record: Record) -> str:
    """The key that a record's order is kept by. One without a readable key, or with a huge one, has a place of its own, so that nothing waits behind it."""
    try:
        if record.key and len(record.key) <= MAX_HEADER_BYTES:
            return record.key.decode().replace("\0", "")
    except UnicodeDecodeError:
        pass
    return f"{record.topic}/{record.partition}/{record.offset}"


def _poison_id(record: Record) -> UUID:
    """The event's own id where it has one, so that a second copy of it is known as such."""
    try:
        return read_envelope(record.key, record.headers).id
    except Undecodable:
        return uuid5(
            NAMESPACE_OID, f"{record.topic}/{record.partition}/{record.offset}/{record.written.astimezone(UTC)}"
        )

"""Kafka records as the worker handles them, and what they decode to.

Much junk of one partition, which holds up no later record, is parked as one (F5).
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, UUID, uuid5

from servicecert_schemas.codec import MAX_HEADER_BYTES, Undecodable, decode, read_envelope
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import TOPICS

from .decider import Event
from .faults import error_summary
from .signatures import UNTRUSTED, Verifier
from .traces import Sampler, admitted, as_given, is_case

WRONG_TOPIC = "wrong-topic"
_DERIVED = 5
"""The version of the ids that services derive from what an event follows from (RFC 9562, 5.5)."""
_LAST_MILLISECOND = 253_402_300_799_000
_FEW = 4
_FEW_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read from Kafka. `topic` is its name there; `written` is its producer's timestamp.

    `fault` is why it is no event, known before it is decoded; what exceeds a bound is left out then. `last` is the last
    offset of what is one record with this one: the rest of a batch that cannot be read, or junk (`Junk`).
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    written: datetime
    fault: Undecodable | None = field(default=None, compare=False)
    last: int | None = None

    @property
    def position(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def is_whole(self) -> bool:
        return self.fault is None and self.last is None

    @property
    def next_offset(self) -> int:
        return (self.offset if self.last is None else self.last) + 1


def are_few(records: Sequence[Record]) -> bool:
    """Return whether records are read at once: a switch to another thread would cost more."""
    return len(records) <= _FEW and sum(len(record.value or b"") for record in records) <= _FEW_BYTES


def time_of(milliseconds: int) -> datetime:
    """Return the time of a record's timestamp. Kafka does not check it, so it is clamped to the years 1970 to 9999."""
    return datetime.fromtimestamp(min(max(milliseconds, 0), _LAST_MILLISECOND) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that is not its writer's, or cannot be decoded, examined or stored, in its place among the others.

    `error` quotes no value of the record; `raised` is the type and line of the exception, if there was one.
    """

    id: UUID
    key: str
    reason: str
    error: str
    raised: str | None = field(default=None, compare=False)
    traceparent: str | None = field(default=None, compare=False)


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

    @property
    def traceparent(self) -> str | None:
        return self.what.traceparent


def arrive(record: Record, verifier: Verifier, parked: ParkedRow | None = None, sampler: Sampler = as_given) -> Arrival:
    """Return a record with what it decodes to: `Poison` if that is not a valid event of one who may write it (F2).

    One that comes without a trace belongs to that of its key. `sampler` decides whether the trace is recorded.
    """
    topic = record.topic.removeprefix(verifier.prefix)
    signed = False
    try:
        if record.fault is not None:
            raise record.fault
        signed = verifier.verify(record.topic, record.key, record.headers, record.value)
        envelope, data = decode(topic, record.key, record.headers, record.value)
    except Undecodable as fault:
        id, key = _poison_identity(record, topic, fault, signed=signed)
        trace = admitted(None, key if is_case(key) else str(id), sampler)
        return Arrival(record, Poison(id, key, fault.code, fault.text, error_summary(fault), trace), parked)
    id = envelope.id if signed else _outsiders(envelope.id, topic)
    trace = admitted(envelope.traceparent, data.own_trace() or envelope.partitionkey, sampler)
    return Arrival(record, Event(id, envelope.partitionkey, data, envelope.time, None, trace, record), parked)


def is_relevant(arrival: Arrival, is_relevant: Callable[[EventData], bool], compacted: Collection[str]) -> bool:
    """Return whether an arrival needs a turn. One that was parked does, so that its row is deleted.

    A record without a value in a compacted topic only deletes its key (E3). `compacted` has their names in the cluster.
    """
    if arrival.parked is not None:
        return True
    if isinstance(arrival.what, Poison):
        record = arrival.record
        return not (record.value is None and record.key and record.topic in compacted and record.fault is None)
    return is_relevant(arrival.what.data)


def is_junk(arrival: Arrival) -> bool:
    """Return whether a record is no event, and no later one waits behind it: nobody knows it but by its position."""
    return isinstance(arrival.what, Poison) and arrival.parked is None and arrival.key == arrival.record.position


def joined(first: Arrival, last: Arrival) -> Arrival:
    """Return one poison for junk of a partition from `first` to `last`; good records between them are no part of it."""
    record = replace(first.record, key=None, headers=(), value=None, last=last.record.next_offset - 1)
    id = uuid5(_id_of_position(record), f"to {record.last}")
    text = f"So many records from offset {record.offset} to {record.last} are no events that they are parked as one."
    return replace(first, record=record, what=Poison(id, first.key, "junk", text, traceparent=first.traceparent))


def _poison_identity(record: Record, topic: str, fault: Undecodable, *, signed: bool) -> tuple[UUID, str]:
    """Return the id and the key of a record that is no event: its own, as far as they can belong to its topic.

    By its own id a second copy is recognised, and behind its own key later events wait (I5). But no writer of a topic
    may hold up or replace an event of another topic (F1), and no outsider one of the topic's writer (F2): where its own
    could, they are those of its position.
    """
    position, here = record.position, _id_of_position(record)
    # Where a service writes too, what others write holds up nothing: the authority revokes in spite of their junk.
    shared = topic in TOPICS and bool(TOPICS[topic].services) and not signed
    if shared or fault.code == WRONG_TOPIC or fault.code in UNTRUSTED:
        return here, position
    key = _key_of(record)
    try:
        own = read_envelope(record.key, record.headers).id
    except Undecodable:
        own = here
    own = own if signed or own is here else _outsiders(own, topic)
    return own, key if key is not None and topic in TOPICS and TOPICS[topic].has_key(key) else position


def _id_of_position(record: Record) -> UUID:
    return uuid5(NAMESPACE_OID, f"{record.position}/{record.written.astimezone(UTC)}")


def _outsiders(id: UUID, topic: str) -> UUID:
    """Return the id under which an event of one who is no service is known here.

    Ids that services derive can be foreseen: with one, it would be taken for theirs, and theirs for a repetition.
    """
    return uuid5(id, topic) if id.version == _DERIVED else id


def _key_of(record: Record) -> str | None:
    try:
        return record.key.decode() if record.key and len(record.key) <= MAX_HEADER_BYTES else None
    except UnicodeDecodeError:
        return None


MOST_A_MINUTE = 60
"""So much junk of a partition is parked record by record. Of more, a turn parks all that it takes as one."""
_MINUTE = 60.0


class Junk:
    """Joins junk beyond the most. It counts what it has seen of each partition in a minute of a monotonic clock."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, int]] = Counter()
        self._since = 0.0

    def joined(self, arrivals: Sequence[Arrival], now: float) -> list[Arrival]:
        """Return the arrivals, the junk beyond the most of a partition as one in the place of its first. `now` in s."""
        if now >= self._since + _MINUTE:
            self._seen.clear()
            self._since = now
        others: list[Arrival] = []
        places: dict[tuple[str, int], int] = {}
        for arrival in arrivals:
            partition = arrival.record.topic, arrival.record.partition
            self._seen[partition] += is_junk(arrival)
            if not is_junk(arrival) or self._seen[partition] <= MOST_A_MINUTE:
                others.append(arrival)
            elif partition in places:
                others[places[partition]] = joined(others[places[partition]], arrival)
            else:
                places[partition] = len(others)
                others.append(joined(arrival, arrival))
        return others

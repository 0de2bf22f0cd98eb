"""Events as Kafka records: CloudEvents 1.0, binary mode of its Kafka protocol binding.

The attributes are headers named `ce_*`, the value is the data in JSON, the key is the attribute `partitionkey`.

    ValueError
    ├── Undecodable    a record that is no valid event
    └── TooLarge       an event that readers would refuse
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, Self, get_args
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from .event import Envelope, EventData
from .headers import SOURCE, TRACEPARENT, headers_of
from .topics import CATALOGUE, MAX_EVENT_BYTES, TOPIC_OF, Topic, unversioned
from .upcasting import UPCASTERS, Upcasters, as_written, upcast
from .values import in_utc

Headers = Sequence[tuple[str, bytes | None]]

MAX_HEADER_BYTES = 1_000

_TRACEPARENT = re.compile(TRACEPARENT)
_SOURCE = re.compile(SOURCE)

EVENTS = MappingProxyType({event.TYPE: event for topic in CATALOGUE for event in topic.events})
"""Every event type in its newest version, by its CloudEvents type."""

VERSIONS = MappingProxyType({event.TYPE: event for event in (*EVENTS.values(), *UPCASTERS)})
"""Every event type in every version that is read, by its CloudEvents type."""

# pydantic's messages for these faults name expectations and sizes only. Those of others may quote the value.
_WITHOUT_VALUES = frozenset(
    (
        *("missing", "string_type", "string_too_long", "string_too_short", "string_pattern_mismatch", "int_type"),
        *("greater_than_equal", "less_than_equal", "enum", "literal_error", "too_long", "too_short", "tuple_type"),
        *("model_type", "timezone_aware", "value_error", "json_invalid", "union_tag_not_found"),
    )
)


class Undecodable(ValueError):
    """A record that is no valid event. `code` is stable; the text names fields and shapes, never a value."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def too_large(cls, octets: int) -> Self:
        return cls("too-large", f"The value has {octets} bytes, more than {MAX_EVENT_BYTES}.")


class TooLarge(ValueError):
    """An event whose data exceed the limit of readers. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record for a Kafka producer."""

    topic: str
    key: bytes
    headers: list[tuple[str, bytes]]
    value: bytes

    @property
    def id(self) -> UUID:
        return UUID(dict(self.headers)["ce_id"].decode())


def versions_on(topic: Topic) -> list[type[EventData]]:
    """Return the events of a topic in every version that its records may have."""
    names = {unversioned(event.TYPE) for event in topic.events}
    return [event for event in VERSIONS.values() if unversioned(event.TYPE) in names]


def written(data: EventData) -> tuple[str, bytes]:
    """Return the type and the value of an event's record, in the version that is written now. Raise `TooLarge`."""
    data = as_written(data)
    value = data.model_dump_json().encode()
    if len(value) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"The data of {data.TYPE} have {len(value)} bytes, more than {MAX_EVENT_BYTES}: shorten lists or texts."
        )
    return data.TYPE, value


def to_record(data: EventData, *, source: str, id: UUID, time: datetime, traceparent: str | None = None) -> Record:
    """Return the record of an event, with topic and key. Raise `TooLarge`.

    `id` identifies the event for ever: if it may not have arrived, send it again with this id; it has one effect.
    `source` is the writer (`/e-service`); `time`, with its time zone, is when it happened.
    """
    key, (event_type, value) = data.key(), written(data)
    headers = headers_of(Envelope(id, source, event_type, key, time, key, traceparent))
    return Record(TOPIC_OF[data.TYPE].name, key.encode(), headers, value)


class Reader:
    """Decodes records of any version into events of the newest. A type is an event on the topics that list it (F1)."""

    def __init__(self, topics: Iterable[Topic], upcasters: Upcasters) -> None:
        bound = {topic.name: topic.events for topic in topics}
        newest = {event.TYPE: event for events in bound.values() for event in events}
        self._versions = {event.TYPE: event for event in (*newest.values(), *upcasters)}
        self._bound = {name: frozenset(unversioned(event.TYPE) for event in events) for name, events in bound.items()}
        self._upcasters = upcasters

    def decode(
        self, topic: str, key: bytes | None, headers: Headers, value: bytes | None
    ) -> tuple[Envelope, EventData]:
        """Return the event of a record. `topic` is the catalogue's name, without an installation's prefix.

        Raise `Undecodable` with one of the codes `no-value`, `too-large`, `no-event` (a CloudEvents attribute is
        missing or malformed), `unknown-type`, `wrong-topic`, `wrong-schema`, `wrong-key`.
        """
        if value is None:
            raise Undecodable("no-value", "The record has no value.")
        if len(value) > MAX_EVENT_BYTES:
            raise Undecodable.too_large(len(value))
        envelope = read_envelope(key, headers)
        event = self._versions.get(envelope.type)
        if event is None:
            raise Undecodable("unknown-type", "The header ce_type names no event type that this version knows.")
        if unversioned(envelope.type) not in self._bound.get(topic, ()):
            raise Undecodable("wrong-topic", "The header ce_type names a type that does not belong on this topic.")
        structure = structure_of(value) if len(value) > event.MOST_STRUCTURE else 0
        if structure > event.MOST_STRUCTURE:
            text = "The value has more fields, lists and objects than any event of its type: shorten its lists."
            raise Undecodable("too-large", text)
        try:
            # For each of these pydantic would copy all that stands beside it.
            if structure > EventData.MOST_STRUCTURE and (text := _required(event, value)):
                raise Undecodable("wrong-schema", text)
            # Strict, as in other languages: "12" is not a number, and 0 not a time.
            data = upcast(event.model_validate_json(value, strict=True), self._upcasters)
        except ValidationError as error:
            raise Undecodable("wrong-schema", _without_values(error)) from None
        if data.key() != envelope.partitionkey:
            raise Undecodable("wrong-key", "The record's key is not the one that the data name.")
        return envelope, data

    def stored(self, event_type: str, value: str | bytes) -> EventData:
        """Return the event of data that this package, or an earlier version of it, has written to a store of ours."""
        return upcast(self._versions[event_type].model_validate_json(value), self._upcasters)


_reader = Reader(CATALOGUE, UPCASTERS)
decode = _reader.decode
stored = _reader.stored


def structure_of(value: bytes) -> int:
    """Return the commas and colons of a JSON text outside strings, and 8 for each list and object, which cost as much.

    A reader parses all of it, unknown fields too. pydantic also copies it for each missing field.
    """
    outside = b"".join(value.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    return sum(map(outside.count, (b",", b":"))) + 8 * sum(map(outside.count, (b"[", b"{")))


def read_envelope(key: bytes | None, headers: Headers) -> Envelope:
    """Return the CloudEvents attributes of a record. Raise `Undecodable` with the code `no-event`."""
    attributes = {name: raw for name, raw in headers if raw is not None}

    def text(name: str) -> str:
        raw = attributes.get(name)
        if raw is None:
            raise Undecodable("no-event", f"The header {name} is missing.")
        if len(raw) > MAX_HEADER_BYTES:
            raise Undecodable("no-event", f"The header {name} is longer than {MAX_HEADER_BYTES} bytes.")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Undecodable("no-event", f"The header {name} is not UTF-8.") from None

    if text("ce_specversion") != "1.0":
        raise Undecodable("no-event", "The header ce_specversion is not 1.0.")
    event_id = _uuid(text("ce_id"))
    source = text("ce_source")
    if not _SOURCE.fullmatch(source):
        raise Undecodable("no-event", "The header ce_source is not a URI reference.")
    if key is None:
        raise Undecodable("no-event", "The record has no key.")
    if len(key) > MAX_HEADER_BYTES:
        raise Undecodable("no-event", f"The record's key is longer than {MAX_HEADER_BYTES} bytes.")
    try:
        partition_key = key.decode()
    except UnicodeDecodeError:
        raise Undecodable("no-event", "The record's key is not UTF-8.") from None
    subject = text("ce_subject") if "ce_subject" in attributes else partition_key
    # Tracing libraries write the first. CloudEvents libraries write the second, as an extension attribute.
    traces = (text(name) for name in ("traceparent", "ce_traceparent") if name in attributes)
    traceparent = next(filter(_TRACEPARENT.fullmatch, traces), None)
    return Envelope(event_id, source, text("ce_type"), subject, _time(text("ce_time")), partition_key, traceparent)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Undecodable("no-event", "The header ce_id is not a UUID.") from None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Undecodable("no-event", "The header ce_time is not a time (RFC 3339).") from None
    if time.tzinfo is None:
        raise Undecodable("no-event", "The header ce_time has no time zone.")
    try:
        return in_utc(time)
    except ValueError as error:
        raise Undecodable("no-event", f"The header ce_time {error}.") from None


def _required(event: type[EventData], value: bytes) -> str:
    """Return which fields are required, as pydantic says it; empty if all are there, or the value is no JSON."""
    try:
        return "; ".join(f"{field}: Field required" for field in islice(_absent(event, from_json(value)), 10))
    except ValueError:
        return ""


def _absent(model: type[BaseModel], value: Any, at: str = "") -> Iterator[str]:
    """Yield the required fields that a value lacks, and those of the models in it; lists end at their first fault."""
    for name, field in model.model_fields.items() if isinstance(value, dict) else ():
        kinds = [each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type)]
        models = [each for each in kinds if issubclass(each, BaseModel)]
        if name not in value and field.is_required():
            yield f"{at}{name}"
        elif name in value and len(models) == 1:
            yield from _absent(models[0], value[name], f"{at}{name}.")


def _without_values(error: ValidationError) -> str:
    """Return the invalid fields with the reasons, without the values, which may be personal."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    shown = "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'the value'}: {_fault(fault['type'], fault['msg'])}"
        for fault in faults[:10]
    )
    return f"{shown}; and {len(faults) - 10} more" if len(faults) > 10 else shown


def _fault(kind: str, message: str) -> str:
    if kind == "union_tag_invalid":
        return "is of a kind that this version does not know"
    return message.removeprefix("Value error, ") if kind in _WITHOUT_VALUES else f"is malformed ({kind})"

"""Events as records of Kafka: CloudEvents 1.0, binary mode of its Kafka protocol binding.

The attributes are headers named `ce_*`, the value is the data in JSON, the record's key is the attribute `partitionkey`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from .event import Envelope, EventData
from .topics import CATALOGUE, MAX_EVENT_BYTES

Headers = Sequence[tuple[str, bytes | None]]

CONTENT_TYPE = "application/json"
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
_SOURCE = re.compile(r"^[!-~]{1,200}$")

EVENTS = MappingProxyType({event.TYPE: event for topic in CATALOGUE for event in topic.events})
"""Every event type that this package knows, by its CloudEvents type."""

_READERS = {name: TypeAdapter(event) for name, event in EVENTS.items()}


class Undecodable(ValueError):
    """A record that is no event of ours. `code` is stable; the text names fields and shapes, and never a value."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def dataschema(event_type: str) -> str:
    """The URI that names the JSON Schema of an event type."""
    return f"urn:servicecert:schema:{event_type.removeprefix('servicecert.')}"


def encode(envelope: Envelope, data: EventData) -> tuple[list[tuple[str, bytes]], bytes]:
    """The headers and the value of the record that carries an event."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(envelope.id).encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_subject", envelope.subject.encode()),
        ("ce_time", envelope.time.astimezone(UTC).isoformat().encode()),
        ("ce_partitionkey", envelope.partitionkey.encode()),
        ("ce_dataschema", dataschema(envelope.type).encode()),
        ("content-type", CONTENT_TYPE.encode()),
    ]
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers, data.model_dump_json().encode()


def decode(key: bytes | None, headers: Headers, value: bytes | None) -> tuple[Envelope, EventData]:
    """The event that a record carries.

    Raises `Undecodable` with one of the codes `no-value`, `too-large`, `no-event` (a CloudEvents attribute is missing or malformed), `unknown-type`,
    `wrong-schema`, `wrong-key`.
    """
    if value is None:
        raise Undecodable("no-value", "The record has no value.")
    if len(value) > MAX_EVENT_BYTES:
        raise Undecodable("too-large", f"The value has {len(value)} bytes, more than {MAX_EVENT_BYTES}.")
    envelope = read_envelope(key, headers)
    reader = _READERS.get(envelope.type)
    if reader is None:
        raise Undecodable("unknown-type", f"The event type {envelope.type!r} is not known to this version.")
    try:
        data = reader.validate_json(value)
    except ValidationError as error:
        raise Undecodable("wrong-schema", _without_values(error)) from None
    if data.key() != envelope.partitionkey:
        raise Undecodable("wrong-key", "The record's key is not the one that the data name.")
    return envelope, data


def read_envelope(key: bytes | None, headers: Headers) -> Envelope:
    """The CloudEvents attributes of a record. Raises `Undecodable` with the code `no-event`."""
    attributes = {name: raw for name, raw in headers if raw is not None}

    def text(name: str) -> str:
        raw = attributes.get(name)
        if raw is None:
            raise Undecodable("no-event", f"The header {name} is missing.")
        if len(raw) > 1_000:
            raise Undecodable("no-event", f"The header {name} is longer than 1,000 bytes.")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Undecodable("no-event", f"The header {name} is not UTF-8.") from None

    if text("ce_specversion") != "1.0":
        raise Undecodable("no-event", "The header ce_specversion is not 1.0.")
    try:
        event_id = UUID(text("ce_id"))
    except ValueError:
        raise Undecodable("no-event", "The header ce_id is not a UUID.") from None
    try:
        time = datetime.fromisoformat(text("ce_time"))
    except ValueError:
        raise Undecodable("no-event", "The header ce_time is not a time (RFC 3339).") from None
    if time.tzinfo is None:
        raise Undecodable("no-event", "The header ce_time has no time zone.")
    source = text("ce_source")
    if not _SOURCE.match(source):
        raise Undecodable("no-event", "The header ce_source is not a URI reference.")
    if key is None:
        raise Undecodable("no-event", "The record has no key.")
    try:
        partition_key = key.decode()
    except UnicodeDecodeError:
        raise Undecodable("no-event", "The record's key is not UTF-8.") from None
    subject = text("ce_subject") if "ce_subject" in attributes else partition_key
    traceparent = text("traceparent") if "traceparent" in attributes else None
    if traceparent is not None and not _TRACEPARENT.match(traceparent):
        traceparent = None
    return Envelope(event_id, source, text("ce_type"), subject, time.astimezone(UTC), partition_key, traceparent)


def _without_values(error: ValidationError) -> str:
    """The fields that failed and why, without what stood there: it may be personal."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    shown = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'the value'}: {fault['msg']}" for fault in faults[:10])
    return f"{shown}; and {len(faults) - 10} more" if len(faults) > 10 else shown

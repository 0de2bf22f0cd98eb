"""The headers of our records, in their order: writers write from this list, and the AsyncAPI document names it.

Of a record its writer signs exactly the bytes in Kafka, so that no reader encodes anew (F2).
"""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from .event import Envelope

CONTENT_TYPE = "application/json"
SOURCE = r"[!-~]{1,200}"
"""A URI reference such as `/e-service`."""
TRACEPARENT = r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
"""W3C Trace Context section 3.2."""
SIGNATURE = "servicecert-signature"
"""The header of the signature: 16 digits of the key's id, a colon, and the Ed25519 signature in base64 (RFC 8032)."""

SIGNATURE_FORM = "^([0-9a-f]{16}):([A-Za-z0-9+/]{86}==)$"
"""A regular expression for that header's value."""
_PURPOSE = b"servicecert event v1"


class Header(NamedTuple):
    """A header: its value in an envelope, if it has one there, and the JSON Schema of it in records of a type.

    Readers need a `required` one. Those of `services` are only in records that our services write.
    """

    name: str
    value: Callable[[Envelope], str | None]
    schema: Callable[[str], dict[str, Any]]
    required: bool = False
    services: bool = False


def dataschema(event_type: str) -> str:
    """Return the URI of an event type's JSON Schema."""
    return f"urn:servicecert:schema:{event_type.removeprefix('servicecert.')}"


def headers_of(envelope: Envelope) -> list[tuple[str, bytes]]:
    values = ((header.name, header.value(envelope)) for header in HEADERS)
    return [(name, value.encode()) for name, value in values if value is not None]


def _text(description: str, **bounds: str) -> Callable[[str], dict[str, Any]]:
    return lambda _: {"type": "string", **bounds, "description": description}


def _constant(description: str, value: Callable[[str], str]) -> Callable[[str], dict[str, Any]]:
    return lambda type: {"type": "string", "const": value(type), "description": description}


HEADERS = (
    Header("ce_specversion", lambda _: "1.0", _constant("The version of CloudEvents.", lambda _: "1.0"), True),
    Header("ce_id", lambda it: str(it.id), _text("Unique for each event, the same on a repeat.", format="uuid"), True),
    Header("ce_source", lambda it: it.source, _text("The writer, e.g. /e-service.", pattern=f"^{SOURCE}$"), True),
    Header("ce_type", lambda it: it.type, _constant("The type of the event, with its version.", str), True),
    Header("ce_subject", lambda it: it.subject, _text("The case, or another subject of the event.")),
    Header(
        "ce_time",
        lambda it: it.time.astimezone(UTC).isoformat(),
        _text("When it happened, with time zone.", format="date-time"),
        required=True,
    ),
    Header("ce_partitionkey", lambda it: it.partitionkey, _text("The record's key.")),
    Header("ce_dataschema", lambda it: dataschema(it.type), _constant("The `$id` of the JSON Schema.", dataschema)),
    Header("content-type", lambda _: CONTENT_TYPE, _constant("The form of the value.", lambda _: CONTENT_TYPE)),
    Header("traceparent", lambda it: it.traceparent, _text("W3C Trace Context.", pattern=f"^{TRACEPARENT}$")),
    Header(
        SIGNATURE,
        lambda it: it.signature,
        _text("The Ed25519 signature of the service that wrote the record (see signed_bytes).", pattern=SIGNATURE_FORM),
        services=True,
    ),
)


def signed_bytes(
    topic: str, key: bytes | None, headers: Sequence[tuple[str, bytes | None]], value: bytes | None
) -> bytes:
    """Return the bytes to sign: purpose, topic (its catalogue name), key, value, and the headers `ce_*` in their order.

    Each part follows its length in 4 octets, big-endian. A part that the record does not have is empty.
    """
    parts = [_PURPOSE, topic.encode(), key or b"", value or b""]
    for name, raw in headers:
        if name.startswith("ce_"):
            parts += [name.encode(), raw or b""]
    return b"".join(len(part).to_bytes(4) + part for part in parts)

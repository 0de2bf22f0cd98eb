"""The contract as one AsyncAPI 3.0 document: channels, messages, writers and readers."""

from typing import Any

from pydantic.json_schema import models_json_schema

from .codec import MAX_HEADER_BYTES, VERSIONS, versions_on
from .event import EventData
from .headers import CONTENT_TYPE, HEADERS
from .topics import CATALOGUE, Topic

Document = dict[str, Any]
"""A JSON object of a file."""

BINDING = "0.5.0"
"""The version of AsyncAPI's Kafka bindings."""


def document(version: str, examples: dict[str, list[Document]]) -> Document:
    """Return the document for the package's `version`, with the stored example records of each event type."""
    references, schemas = models_json_schema(
        [(event, "validation") for event in VERSIONS.values()], ref_template="#/components/schemas/{model}"
    )
    payloads = {event.TYPE: references[event, "validation"] for event in VERSIONS.values()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:servicecert",
        "info": {
            "title": "Service certificates",
            "version": version,
            "description": "CloudEvents 1.0 over Kafka, binary mode: attributes are headers, the value is JSON.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {_id(topic): _channel(topic) for topic in CATALOGUE},
        "operations": {name: operation for topic in CATALOGUE for name, operation in _operations(topic)},
        "components": {
            "messages": {
                event.__name__: _message(event, payloads[event.TYPE], examples.get(event.TYPE, []))
                for event in VERSIONS.values()
            },
            "schemas": schemas["$defs"],
        },
    }


def _channel(topic: Topic) -> Document:
    config, events = topic.config, versions_on(topic)
    kept = "for ever" if topic.retention is None else f"for {topic.retention.days} days"
    cleanup = ", compacted: the last record of each key stays" if topic.compacted else ""
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Kept {kept}{cleanup}.",
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in events},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [config["cleanup.policy"]],
                    "retention.ms": int(config["retention.ms"]),
                    "max.message.bytes": int(config["max.message.bytes"]),
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _id(topic: Topic) -> str:
    """Return the channel's name for AsyncAPI: letters, digits, hyphens, underscores."""
    return topic.name.replace(".", "-")


def _operations(topic: Topic) -> list[tuple[str, Document]]:
    messages = [{"$ref": f"#/channels/{_id(topic)}/messages/{event.__name__}"} for event in versions_on(topic)]
    return [
        (
            f"{who.replace(' ', '-')}-{verb}-{_id(topic)}",
            {"action": action, "channel": {"$ref": f"#/channels/{_id(topic)}"}, "messages": messages},
        )
        for action, verb, people in (("send", "writes", topic.writers), ("receive", "reads", topic.readers))
        for who in people
    ]


def _message(event: type[EventData], payload: Document, examples: list[Document]) -> Document:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": (event.__doc__ or "").partition("\n")[0],
        "contentType": CONTENT_TYPE,
        "headers": _headers(event),
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "maxLength": MAX_HEADER_BYTES}, "bindingVersion": BINDING}},
        "examples": [{"headers": example["headers"], "payload": example["value"]} for example in examples],
    }


def _headers(event: type[EventData]) -> Document:
    is_services = any(topic.signers(event.TYPE) for topic in CATALOGUE if event in versions_on(topic))
    return {
        "type": "object",
        "required": [header.name for header in HEADERS if header.required],
        "properties": {
            header.name: header.schema(event.TYPE) for header in HEADERS if is_services or not header.services
        },
    }

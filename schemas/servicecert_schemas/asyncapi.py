"""The contract as an AsyncAPI document: how to connect, the topics with their keys, the messages with their headers."""

import inspect
from importlib.metadata import version
from types import MappingProxyType

from .broker import Principal
from .codec import MAX_HEADER_BYTES, VERSIONS, versions_on
from .event import EventData
from .headers import CONTENT_TYPE, HEADERS
from .json_schemas import Document, all_definitions
from .topics import CATALOGUE, Topic

BINDING = "0.5.0"
"""The version of AsyncAPI's Kafka bindings."""

_DESCRIPTION = """\
CloudEvents 1.0 over Kafka, binary mode: attributes are headers, the value is JSON.

The partition of a record is murmur2 of its key, as Kafka's Java client chooses it (librdkafka: `murmur2_random`).
Events of one key keep their order only if all their writers do so."""

_TAGS = MappingProxyType(
    {
        "e-service": "What the e-service writes and reads.",
        "services": "What our services and commands exchange among themselves.",
    }
)

_SECURITY = {
    "scram": {"type": "scramSha512", "description": "TLS with a user and a password: SASL_SSL, SCRAM-SHA-512."},
    "mutual-tls": {"type": "X509", "description": "TLS with a client certificate: SSL."},
}
"""The ways to log in, each at a listener of the broker's own."""

# Each installation has its own: these are placeholders, as is the broker's address.
_CONTACT = {"name": "The operators", "url": "https://authority.example", "email": "certificates@authority.example"}

_KEY = {"type": "string", "maxLength": MAX_HEADER_BYTES, "description": "Decides the partition, by murmur2."}


def asyncapi(examples: dict[str, list[Document]]) -> Document:
    """Return the contract as one AsyncAPI 3.1 document: channels, messages, writers and readers, with the examples.

    A journal is no part of it: its records are read by the service that writes them.
    """
    topics = [topic for topic in CATALOGUE if topic.events]
    payloads, schemas = all_definitions(VERSIONS.values(), "#/components/schemas/")
    return {
        "asyncapi": "3.1.0",
        "id": "urn:servicecert",
        "info": {
            "title": "Service certificates",
            "version": version("servicecert-schemas"),
            "description": _DESCRIPTION,
            "license": {"name": "EUPL-1.2", "url": "https://spdx.org/licenses/EUPL-1.2.html"},
            "contact": _CONTACT,
            "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            name: {
                "host": "{broker}",
                "protocol": "kafka-secure",
                "description": scheme["description"],
                "variables": {
                    "broker": {"description": "Host and port. The operators say it.", "default": "kafka.example:9093"}
                },
                "security": [{"$ref": f"#/components/securitySchemes/{name}"}],
            }
            for name, scheme in _SECURITY.items()
        },
        "channels": {_id(topic): _channel(topic) for topic in topics},
        "operations": {name: operation for topic in topics for name, operation in _operations(topic)},
        "components": {
            "securitySchemes": _SECURITY,
            "messages": {
                event.__name__: _message(event, payloads[event], examples.get(event.TYPE, []))
                for event in VERSIONS.values()
            },
            "schemas": schemas,
        },
    }


def _channel(topic: Topic) -> Document:
    config, events = topic.config, versions_on(topic)
    kept = "for ever" if topic.retention is None else f"for {topic.retention.days} days"
    cleanup = ", compacted: the last record of each key stays" if topic.compacted else ""
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Kept {kept}{cleanup}.",
        "tags": [{"name": "e-service" if Principal.E_SERVICE in (*topic.writers, *topic.readers) else "services"}],
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
    return topic.name.replace(".", "-")


def _operations(topic: Topic) -> list[tuple[str, Document]]:
    messages = [{"$ref": f"#/channels/{_id(topic)}/messages/{event.__name__}"} for event in versions_on(topic)]
    return [
        (
            f"{who.replace(' ', '-')}-{verb}-{_id(topic)}",
            {
                "action": action,
                "description": f"The user {who} of the broker {verb} {topic.name}.",
                "channel": {"$ref": f"#/channels/{_id(topic)}"},
                "messages": messages,
            },
        )
        for action, verb, people in (("send", "writes", topic.writers), ("receive", "reads", topic.readers))
        for who in people
    ]


def _message(event: type[EventData], payload: Document, examples: list[Document]) -> Document:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": (event.__doc__ or "").partition("\n")[0],
        "description": inspect.getdoc(event),
        "contentType": CONTENT_TYPE,
        "headers": _headers(event),
        "payload": payload,
        "bindings": {"kafka": {"key": _KEY, "bindingVersion": BINDING}},
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

"""Exports the models to files that need no Python: JSON Schemas, the topic catalogue, an AsyncAPI document.

    python -m servicecert_schemas.export            writes them to this package's folder `exported`
    python -m servicecert_schemas.export --check    exit code 1 if a file differs from the models

The stored examples in the same folder are written by hand and never change.
"""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from .codec import MAX_HEADER_BYTES, VERSIONS, versions_on
from .event import EventData
from .headers import CONTENT_TYPE, HEADERS
from .json_schemas import Document, all_definitions, json_schema
from .topics import CATALOGUE, Topic

EXPORTED = Path(__file__).parent / "exported"
COMMAND = "python -m servicecert_schemas.export"
BINDING = "0.5.0"
"""The version of AsyncAPI's Kafka bindings."""


def stored_examples(folder: Path = EXPORTED) -> dict[str, list[Document]]:
    """Return the example records of each event type: `examples/<type>.json` and `examples/<type>.<variant>.json`."""
    examples: dict[str, list[Document]] = {}
    for path in sorted((folder / "examples").glob("*.json")):
        example = json.loads(path.read_text())
        examples.setdefault(example["headers"]["ce_type"], []).append(example)
    return examples


def exported_files() -> dict[str, str]:
    """Return the content of the files, by path below `exported`."""
    schemas = {f"json/{event.TYPE}.json": json_schema(event) for event in VERSIONS.values()}
    return {
        name: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in {
            **schemas,
            "topics.json": [_topic(topic) for topic in CATALOGUE],
            "asyncapi.json": _asyncapi(stored_examples()),
        }.items()
    }


def _topic(topic: Topic) -> Document:
    return {
        "name": topic.name,
        "key": topic.key,
        "partitions": topic.partitions,
        "config": topic.config,
        "writers": topic.writers,
        "readers": topic.readers,
        "events": [event.TYPE for event in versions_on(topic)],
    }


def _asyncapi(examples: dict[str, list[Document]]) -> Document:
    """Return the contract as one AsyncAPI 3.0 document: channels, messages, writers and readers, with the examples.

    A journal is no part of it: its records are read by the service that writes them.
    """
    topics = [topic for topic in CATALOGUE if topic.events]
    payloads, schemas = all_definitions(VERSIONS.values(), "#/components/schemas/")
    return {
        "asyncapi": "3.0.0",
        "id": "urn:servicecert",
        "info": {
            "title": "Service certificates",
            "version": version("servicecert-schemas"),
            "description": "CloudEvents 1.0 over Kafka, binary mode: attributes are headers, the value is JSON.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {_id(topic): _channel(topic) for topic in topics},
        "operations": {name: operation for topic in topics for name, operation in _operations(topic)},
        "components": {
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


def differing(folder: Path = EXPORTED) -> list[str]:
    """Return the files below `folder` that differ from the models: changed, missing, or of a type that was removed."""
    files = exported_files()
    stale = [f"json/{path.name}" for path in (folder / "json").glob("*.json") if f"json/{path.name}" not in files]
    changed = [
        name for name, text in files.items() if not (folder / name).exists() or (folder / name).read_text() != text
    ]
    return sorted(stale + changed)


def write(folder: Path = EXPORTED) -> list[str]:
    """Update the files below `folder` to the models. Return those that changed."""
    files = exported_files()
    names = differing(folder)
    for name in names:
        path = folder / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
        else:
            path.unlink()
    return names


def main(arguments: Sequence[str], folder: Path = EXPORTED) -> int:
    """Run the command. Return its exit code: 1 if the check finds a difference, 2 for a wrong argument."""
    match arguments:
        case []:
            for name in write(folder):
                print(f"{'wrote' if (folder / name).exists() else 'removed'} {name}")
            return 0
        case ["--check"]:
            names = differing(folder)
            if names:
                print(f"The exported files are outdated: {', '.join(names)}. Run `{COMMAND}`.", file=sys.stderr)
            return 1 if names else 0
        case _:
            print(f"Usage: {COMMAND} [--check]", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

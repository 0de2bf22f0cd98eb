"""Stored examples of events, with names that somebody can own: those of stored records, which never change, are not."""

import json
from collections.abc import Mapping

from servicecert_schemas.event import Envelope, EventData
from servicecert_schemas.export import stored_examples
from servicecert_schemas.headers import headers_of
from servicecert_schemas.json_schemas import Document

_OWNED = {'laakaritalo.example"': 'laakaritalo.example.fi"', '"192.0.2.': '"193.166.2.', '"2001:db8:': '"2a00:1450:'}


def examples() -> Mapping[str, list[Document]]:
    """Return the stored examples by type, those of applications with names that are certified."""
    return {
        type: [_owned(each) if type.startswith("servicecert.application.") else each for each in stored]
        for type, stored in stored_examples().items()
    }


def _owned(example: Document) -> Document:
    text = json.dumps(example)
    for reserved, owned in _OWNED.items():
        text = text.replace(reserved, owned)
    changed: Document = json.loads(text)
    return changed


def encode(envelope: Envelope, data: EventData) -> tuple[list[tuple[str, bytes]], bytes]:
    """Return the headers and the value of an event's record, in the version of `data`."""
    return headers_of(envelope), data.model_dump_json().encode()

"""Records are CloudEvents 1.0: the CloudEvents project's own package reads ours, and we read those that it writes."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from servicecert_schemas.codec import EVENTS, decode, stored, to_record
from servicecert_schemas.export import stored_examples
from servicecert_schemas.topics import TOPIC_OF
from servicecert_schemas.upcasting import UPCASTERS, as_written, upcast

FLOWING = sorted(TOPIC_OF)


@pytest.mark.parametrize("event_type", FLOWING)
def test_another_reader_sees_our_attributes_and_data(event_type: str) -> None:
    example = stored_examples()[event_type][0]
    headers = {name: text.encode() for name, text in example["headers"].items()}
    data = EVENTS[event_type].model_validate_json(json.dumps(example["value"]))
    time = datetime.fromisoformat(example["headers"]["ce_time"])
    record = to_record(data, source=example["headers"]["ce_source"], id=UUID(example["headers"]["ce_id"]), time=time)
    event = from_kafka(KafkaMessage(dict(record.headers), record.key, record.value), JSONFormat())
    assert event.get_specversion() == "1.0"
    assert event.get_id() == headers["ce_id"].decode()
    written = as_written(data)
    assert event.get_type() == written.TYPE
    assert event.get_source() == example["headers"]["ce_source"]
    assert event.get_subject() == example["key"]
    assert event.get_time() == time
    assert event.get_datacontenttype() == "application/json"
    assert event.get_dataschema() == f"urn:servicecert:schema:{written.TYPE.removeprefix('servicecert.')}"
    assert event.get_extension("partitionkey") == example["key"]
    assert stored(written.TYPE, json.dumps(event.get_data())) == upcast(written, UPCASTERS)


def test_we_read_what_another_writer_writes() -> None:
    example = stored_examples()["servicecert.application.submitted.v1"][0]
    event = CloudEvent(
        {
            "id": example["headers"]["ce_id"],
            "source": "/e-service",
            "type": "servicecert.application.submitted.v1",
            "time": datetime(2026, 11, 24, 8, 15, 2, tzinfo=UTC),
            "subject": example["key"],
            "partitionkey": example["key"],
            "datacontenttype": "application/json",
        },
        example["value"],
    )
    message = to_binary(event, JSONFormat())
    assert message.key is not None
    key = message.key if isinstance(message.key, bytes) else message.key.encode()
    envelope, data = decode("applications", key, list(message.headers.items()), message.value)
    assert str(envelope.id) == example["headers"]["ce_id"]
    assert json.loads(data.model_dump_json()) == example["value"]

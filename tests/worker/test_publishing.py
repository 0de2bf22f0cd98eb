"""What a service publishes has the headers of the AsyncAPI document, and no other, and has its place in a topic."""

import asyncio
import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from identities import InMemory
from servicecert_schemas.codec import versions_on
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.publishing import Outgoing, Relay, send_all
from servicecert_worker.storage.journal import EVENT_COLUMNS

SENT_BY_SERVICES = [
    (topic.name, event.TYPE) for topic in CATALOGUE for event in versions_on(topic) if topic.signers(event.TYPE)
]


class Recorded:
    """A producer that keeps the headers of what it is given."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, bytes]] = []

    async def send(self, topic, *, headers, **_):
        self.headers += headers
        done = asyncio.get_running_loop().create_future()
        done.set_result(topic)
        return done


@pytest.mark.parametrize(("topic", "name"), SENT_BY_SERVICES)
async def test_every_header_that_a_service_adds_is_in_the_asyncapi_document(topic, name):
    document = json.loads((files("servicecert_schemas") / "exported" / "asyncapi.json").read_text())
    (message,) = [message for message in document["components"]["messages"].values() if message["name"] == name]
    made = Outgoing(topic, "key", UUID(int=1), name, f"00-{'a' * 32}-{'b' * 16}-01", datetime.now(UTC), b"", "s")
    producer = Recorded()
    await send_all(producer, "prefix-", "/intake", [made])
    assert [header for header, _ in producer.headers] == list(message["headers"]["properties"])


@pytest.mark.parametrize(("offset", "fault"), [(-1, KafkaError), (3, OperatorError)])
async def test_F7_a_lower_offset_is_an_older_broker_s_and_a_repeated_record_without_one_is_sent_anew(offset, fault):
    class Producer:
        async def send(self, topic, **_):
            done = asyncio.get_running_loop().create_future()
            done.set_result(RecordMetadata(topic, 0, None, offset, 0, 0, 0))
            return done

    nothing: Any = None
    producer: Any = Producer()
    signer = InMemory().signer("intake")
    relay = Relay(nothing, producer, Cluster("nowhere:1"), "intake", signer, asyncio.Event(), nothing, nothing, nothing)
    relay._next_offset = 4
    with pytest.raises(fault):
        await relay._record(b"")


async def test_F7_who_publishes_notices_a_partition_that_ends_before_what_it_has_taken():
    offsets = iter([5, 6, -1, 6, 2])

    class Producer:
        async def send(self, topic, **_):
            done = asyncio.get_running_loop().create_future()
            done.set_result(RecordMetadata(topic, 0, None, next(offsets), 0, 0, 0))
            return done

    nothing: Any = Mock()
    producer: Any = Producer()
    signer = InMemory().signer("intake")
    relay = Relay(nothing, producer, Cluster("nowhere:1"), "intake", signer, asyncio.Event(), nothing, nothing, nothing)
    event: Any = dict.fromkeys(EVENT_COLUMNS) | {
        "topic": "cases",
        "key": "1",
        "type": "t",
        "at": datetime.now(UTC),
        "payload": b"",
    }
    for _ in range(4):
        await relay._publish([event], 0)
    with pytest.raises(OperatorError, match=r"what intake has sent to cases: .*republish intake"):
        await relay._publish([event], 0)

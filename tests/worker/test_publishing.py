"""What a service publishes has the headers of the AsyncAPI document, and no other."""

import asyncio
import json
from datetime import UTC, datetime
from importlib.resources import files
from uuid import UUID

import pytest
from servicecert_schemas.codec import versions_on
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.runtime.publishing import Outgoing, send_all

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
    made = Outgoing(topic, "key", UUID(int=1), name, f"00-{'a' * 32}-{'b' * 16}-01", datetime.now(UTC), b"", "s", 1)
    producer = Recorded()
    await send_all(producer, "prefix-", "/intake", [made])
    assert [header for header, _ in producer.headers] == list(message["headers"]["properties"])

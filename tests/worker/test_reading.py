"""Looks at chosen parts of topics, on a real broker."""

from typing import Any
from uuid import uuid4

from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections import kafka
from servicecert_launcher import Parts
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.kafka import reading
from servicecert_worker.kafka.cluster import Cluster


async def test_a_topic_is_read_whole_in_bounded_memory(parts: Parts, monkeypatch) -> None:
    """In several steps, each partition's records in order; partitions may be empty."""
    monkeypatch.setattr(reading, "_MOST", 3)
    cluster, topic = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-"), ACCEPTED_APPLICATIONS
    await create_topics(cluster, (topic,))
    found: list[Any] = []
    await reading.read_whole(cluster, topic, found.append)
    assert found == []
    keys = [str(number % 5) for number in range(30)]
    records = [Record(topic.name, key.encode(), [], str(place).encode()) for place, key in enumerate(keys)]
    async with kafka.producer(cluster) as producer:
        await kafka.send(producer, cluster, records)
    await reading.read_whole(cluster, topic, found.append)
    assert sorted(int(it.value) for it in found) == list(range(30))
    assert [int(it.value) for it in found if it.key == b"3"] == [3, 8, 13, 18, 23, 28]

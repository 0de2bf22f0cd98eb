"""The catalogue's topics as a cluster has them, and starting a service anew on topics that are others."""

import os
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from servicecert_schemas.topics import CATALOGUE, Topic
from servicecert_worker.faults import OperatorError
from servicecert_worker.kafka import lag, origins
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.schema import connected


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A topic of the catalogue; `partitions` is None where the cluster does not have it."""

    name: str
    topic: Topic
    partitions: int | None

    def facts(self) -> dict[str, object]:
        """For JSON."""
        topic = self.topic
        return {
            "topic": self.name,
            "partitions": self.partitions,
            "key": topic.key,
            "kept_days": None if topic.retention is None else topic.retention.days,
            "compacted": topic.compacted,
            "writers": topic.writers,
            "readers": topic.readers,
            "events": [event.TYPE for event in topic.events],
        }

    def row(self) -> tuple[str, str, str, str]:
        """For a table."""
        topic = self.topic
        kept = (
            "last of each key"
            if topic.compacted
            else "for ever"
            if topic.retention is None
            else f"{topic.retention.days} days"
        )
        partitions = "missing" if self.partitions is None else str(self.partitions)
        return self.name, partitions, kept, ", ".join(topic.readers)


async def survey(place: Cluster) -> list[Surveyed]:
    """Each topic of the catalogue, with what the cluster has of it. Raises OperatorError."""
    async with kafka.admin(place) as admin:
        described = await admin.describe_topics([place.name(topic) for topic in CATALOGUE])
    partitions = {each["topic"]: len(each["partitions"]) for each in described if each["error_code"] == 0}
    return [Surveyed(place.name(topic), topic, partitions.get(place.name(topic))) for topic in CATALOGUE]


async def accept(place: Cluster, url: str, service: str, *, act: bool) -> int:
    """Forgets which topics the service's state was made from and sets its group to the first records.

    Answers how many partitions it had read of; of all others it starts at the first record anyway. Raises OperatorError, also while the group has members.
    """
    group = place.group(service)
    async with kafka.admin(place) as admin:
        if running := len(await lag.members(admin, group)):
            raise OperatorError(f"{service} has {running} workers running: stop them first.", os.EX_TEMPFAIL)
        partitions = list(await lag.committed(admin, group))
    if act:
        async with connected(url, service) as connection:
            await origins.forget(connection)
        await _rewind(place, group, partitions)
    return len(partitions)


async def _rewind(place: Cluster, group: str, partitions: list[TopicPartition]) -> None:
    """Commits the first offset of each partition in the name of the group, which is empty."""
    if not partitions:
        return
    async with kafka.reader(place) as reader:
        first = await reader.beginning_offsets(partitions)
    async with kafka.reader(place, group) as consumer:
        consumer.assign(partitions)
        await consumer.commit({partition: OffsetAndMetadata(offset, "") for partition, offset in first.items()})

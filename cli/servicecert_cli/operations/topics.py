"""Compares the catalogue's topics with a cluster, and moves a service to replaced topics."""

from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from servicecert_schemas.topics import CATALOGUE, Topic
from servicecert_worker.kafka import lag, origins
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.schema import connected


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic of the catalogue; `partitions` is None if the cluster lacks it."""

    name: str
    topic: Topic
    partitions: int | None

    def facts(self) -> dict[str, object]:
        """Return the topic for JSON."""
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
        """Return the topic as a row of a table."""
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


async def survey(cluster: Cluster) -> list[TopicState]:
    """Return each topic of the catalogue with its state in the cluster. Raises OperatorError."""
    async with kafka.admin(cluster) as admin:
        described = await admin.describe_topics([cluster.name(topic) for topic in CATALOGUE])
    partitions = {each["topic"]: len(each["partitions"]) for each in described if each["error_code"] == 0}
    return [TopicState(cluster.name(topic), topic, partitions.get(cluster.name(topic))) for topic in CATALOGUE]


async def accept(cluster: Cluster, url: str, service: str, *, act: bool) -> int:
    """Move the service's group to the first records, and forget which topics its state was made from.

    Return the number of partitions with committed offsets; on others it starts at the first record anyway. Raises
    OperatorError, also while the group has members.
    """
    group = cluster.group(service)
    async with kafka.admin(cluster) as admin:
        await kafka.require_stopped(admin, cluster, service)
        partitions = list(await lag.committed(admin, group))
    if act:
        await _rewind(cluster, group, partitions)
        # Only now: after an interruption no worker starts at the old offsets.
        async with connected(url, service) as connection:
            await origins.forget(connection)
    return len(partitions)


async def _rewind(cluster: Cluster, group: str, partitions: list[TopicPartition]) -> None:
    """Commit the first offset of each partition for the group, which has no members."""
    if not partitions:
        return
    async with kafka.reader(cluster) as reader:
        first = await reader.beginning_offsets(partitions)
    async with kafka.reader(cluster, group) as consumer:
        consumer.assign(partitions)
        await consumer.commit({partition: OffsetAndMetadata(offset, "") for partition, offset in first.items()})

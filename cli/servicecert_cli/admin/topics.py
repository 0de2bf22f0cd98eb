"""Creates the catalogue's topics, compares them with a cluster, and moves a service to replaced topics."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import OffsetAndMetadata
from servicecert_schemas.topics import CATALOGUE, Topic
from servicecert_worker.core.faults import OperatorError, backoff, error_summary, with_timeout
from servicecert_worker.kafka import origins
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.schema import connected
from . import groups

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 120.0
_COPIES = 3


async def most_copies(cluster: Cluster) -> int:
    """Return how many copies of a record the cluster's brokers can have, at most three. Raises `OperatorError`."""
    async with kafka.admin(cluster) as admin:
        return min(_COPIES, len((await admin.describe_cluster())["brokers"]))


async def create(cluster: Cluster, topics: Sequence[Topic], replication: int = 1, min_in_sync: int = 1) -> list[str]:
    """Create the topics that do not exist, and return their names once each partition has a leader.

    `replication` is the number of replicas, `min_in_sync` how many must have a record before it is acknowledged. A
    broker that has just started may need a minute for hundreds of partitions. Raises `OperatorError`.
    """
    in_sync = {"min.insync.replicas": str(min_in_sync)}
    wanted = [
        NewTopic(cluster.name(topic), topic.partitions, replication, topic_configs={**topic.config, **in_sync})
        for topic in topics
    ]
    async with kafka.admin(cluster) as admin, kafka.explained(cluster, TimeoutError):
        return await with_timeout(_PATIENCE_SECONDS, _create(admin, wanted))


async def _create(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> list[str]:
    """Create the topics; ask again for what a busy broker did not do in time."""
    created: list[str] = []
    async for _ in backoff(longest=2.0):
        try:
            answer = await admin.create_topics(list(wanted))
            created += [name for name, code, *_ in answer.topic_errors if _was_created(name, code)]
            await _wait_for_leaders(admin, [topic.name for topic in wanted])
            return created
        except (KafkaError, OSError) as error:
            if isinstance(error, KafkaError) and not error.retriable:
                raise
            log.debug("Topics are not created yet", extra={"error": error_summary(error)})
    raise AssertionError("The pauses never end.")


def _was_created(name: str, code: int) -> bool:
    if code == 0:
        return True
    fault = for_code(code)
    if fault is TopicAlreadyExistsError:
        return False
    if fault.retriable:
        raise fault
    raise OperatorError(f"Kafka refuses to create the topic {name}: {fault.description or fault.__name__}", 77)


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    async for _ in backoff(first=0.02, longest=0.5):
        described = await admin.describe_topics(list(names))
        if all(
            topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"]) for topic in described
        ):
            return


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

    def row(self) -> tuple[str, str | int, str, str]:
        """Return the topic as a row of a table."""
        topic = self.topic
        kept = "for ever" if topic.retention is None else f"{topic.retention.days} days"
        kept = "last of each key" if topic.compacted else kept
        return self.name, self.partitions or "missing", kept, ", ".join(topic.readers)


async def survey(cluster: Cluster) -> list[TopicState]:
    """Return each topic of the catalogue with its state in the cluster. Raises OperatorError."""
    async with kafka.admin(cluster) as admin:
        described = kafka.existing(await admin.describe_topics([cluster.name(topic) for topic in CATALOGUE]))
    partitions = {each["topic"]: len(each["partitions"]) for each in described}
    return [TopicState(cluster.name(topic), topic, partitions.get(cluster.name(topic))) for topic in CATALOGUE]


async def accept(cluster: Cluster, url: str, service: str, *, act: bool) -> int:
    """Move the service's group to the first records, and forget which topics its state was made from.

    Return the number of partitions with committed offsets; on others it starts at the first record anyway. Raises
    OperatorError, also while the group has members.
    """
    group = cluster.group(service)
    async with kafka.admin(cluster) as admin:
        await groups.require_stopped(admin, cluster, service)
        partitions = list(await groups.committed(admin, group))
    if act:
        await _rewind(cluster, group, partitions)
        # Only now: after an interruption no worker starts at the old offsets.
        async with connected(url, service) as connection:
            await origins.forget(connection)
    return len(partitions)


async def rewind(cluster: Cluster, service: str, *, went_back: bool) -> None:
    """Move the service's group to the first record of each partition that ends before what the group has handled.

    It would skip what is published there up to where it was. Of a broker that `went_back` that is each partition: some
    may have new records already. Raises OperatorError while the group has members.
    """
    group = cluster.group(service)
    async with kafka.admin(cluster) as admin, kafka.reader(cluster) as reader:
        committed = await groups.committed(admin, group)
        ends = await reader.end_offsets(list(committed)) if committed else {}
        if beyond := [partition for partition, offset in committed.items() if went_back or offset > ends[partition]]:
            await groups.require_stopped(admin, cluster, service)
            await _rewind(cluster, group, beyond)


async def _rewind(cluster: Cluster, group: str, partitions: list[TopicPartition]) -> None:
    if not partitions:
        return
    async with kafka.reader(cluster) as reader:
        first = await reader.beginning_offsets(partitions)
    async with kafka.reader(cluster, group) as consumer:
        consumer.assign(partitions)
        await consumer.commit({partition: OffsetAndMetadata(offset, "") for partition, offset in first.items()})

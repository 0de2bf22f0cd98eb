"""Reads chosen parts of topics, without a group, in one connection, and compares them with what a group has handled."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.event import Change
from servicecert_schemas.topics import Topic

from ..core.faults import error_summary, with_timeout
from ..core.record import Record
from ..core.signatures import UNTRUSTED, Verifier
from .clients import stop
from .cluster import Cluster
from .internals import client_of, committed_offsets, partitions_of, position_of, topic_ids

log = logging.getLogger(__name__)

_START_SECONDS = 15.0
_CAUGHT_UP_SECONDS = 45.0
_SILENT_SECONDS = 15.0
_POLL_MS = 200
_MOST = 500
_PARTITION_BYTES = 256 * 1024
"""What one answer holds of a partition: the parts are short, and what follows them is not wanted."""


class PartReader:
    """Reads topics by their names in the cluster. All methods raise what aiokafka raises."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        """Return the partitions of the topics that exist. Their leaders are known then, all at once."""
        client = client_of(self._consumer)
        found = await partitions_of(client, list(topics))
        await client.set_topics({each.topic for each in found})
        return found

    async def ids(self, topics: Sequence[str]) -> tuple[str, dict[str, str]]:
        """Return the cluster's id, and the ids of the topics that exist, by name."""
        return await topic_ids(client_of(self._consumer), list(topics))

    async def extent(self, partition: TopicPartition) -> tuple[int, int]:
        """Return the first offset that a partition has, and the one after its last; 0, 0 where it does not exist."""
        if partition not in await self.partitions([partition.topic]):
            return 0, 0
        first = await self._consumer.beginning_offsets([partition])
        return first[partition], (await self.ends([partition]))[partition]

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(await self._consumer.end_offsets(list(partitions))) if partitions else {}

    async def at(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the offset of the first record at or after a time, in ms since 1970, where there is one."""
        found = await self._consumer.offsets_for_times(dict(times))
        return {partition: each.offset for partition, each in found.items() if each is not None}

    async def committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets that a group has committed, without joining it."""
        return await committed_offsets(client_of(self._consumer), group, partitions)

    async def read(self, parts: Mapping[TopicPartition, tuple[int, int]]) -> list[Record]:
        """Return what the topics still have of these parts, each from an offset up to another one.

        Raises `KafkaTimeoutError` if the broker has nothing to say for 15 s.
        """
        left = {partition: part for partition, part in parts.items() if part[0] < part[1]}
        records: list[Record] = []
        if not left:
            return records
        consumer = self._consumer
        consumer.assign(list(left))
        for partition, (start, _) in left.items():
            consumer.seek(partition, start)
        silent = 0.0
        while left:
            batches = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_MOST)
            for partition, batch in batches.items():
                records += [each for each in batch if each.offset < parts[partition][1]]
            before = len(left)
            # The last offsets of a part may be gone: then the position says that it is read.
            left = {each: part for each, part in left.items() if (position_of(consumer, each) or 0) < part[1]}
            silent = 0.0 if batches or len(left) < before else silent + _POLL_MS / 1000
            if silent > _SILENT_SECONDS:
                raise KafkaTimeoutError
        consumer.unsubscribe()
        return records


@asynccontextmanager
async def part_reader(cluster: Cluster) -> AsyncIterator[PartReader]:
    """Open a reader. Raises what aiokafka raises."""
    consumer = AIOKafkaConsumer(
        **cluster.client,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=15_000,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=_PARTITION_BYTES,
    )
    try:
        try:
            await with_timeout(_START_SECONDS, consumer.start())
        except TimeoutError:
            # Not to be taken for one of the database's.
            raise KafkaTimeoutError from None
        yield PartReader(consumer)
    finally:
        await stop(consumer)


async def read_whole(cluster: Cluster, topic: Topic, take: Callable[[Record], None]) -> None:
    """Hand each record of a topic to `take`, a partition's in order, up to the present end.

    It is for what is missed where it should be. Some hundreds of records of each partition are in memory. Raises what
    aiokafka raises.
    """
    async with part_reader(cluster) as reader:
        partitions = await reader.partitions([cluster.name(topic)])
        starts, ends = await reader.at(dict.fromkeys(partitions, 0)), await reader.ends(partitions)
        while starts:
            parts = {each: (start, min(start + _MOST, ends[each])) for each, start in starts.items()}
            for record in await reader.read(parts):
                take(record)
            starts = {each: end for each, (_, end) in parts.items() if end < ends[each]}


async def is_caught_up(cluster: Cluster, service: str, reads: Sequence[Topic], until: datetime) -> bool:
    """Return whether a service has handled every record of the topics that it reads with a timestamp up to `until`.

    A deadline must not overtake events sent in time. Return False if the broker does not answer.
    """
    try:
        return await with_timeout(_CAUGHT_UP_SECONDS, _has_handled(cluster, service, reads, until))
    except (KafkaError, OSError, TimeoutError) as error:
        log.info("Lag unknown; deadlines that wait for topics stay open", extra={"error": error_summary(error)})
        return False


async def _has_handled(cluster: Cluster, service: str, reads: Sequence[Topic], until: datetime) -> bool:
    async with part_reader(cluster) as reader:
        partitions = await reader.partitions([cluster.name(topic) for topic in reads])
        handled = await reader.committed(cluster.group(service), partitions)
        first = await reader.at(dict.fromkeys(partitions, 0))
        later = await reader.at(dict.fromkeys(partitions, int(until.timestamp() * 1000) + 1))
        ends = await reader.ends(partitions)
    # A partition without records has no first one. What was deleted waits no more.
    return all(
        max(handled.get(each, 0), first.get(each, ends[each])) >= later.get(each, ends[each]) for each in partitions
    )


def change_of(topic: Topic, record: Record, verifier: Verifier | None = None) -> Change:
    """Return the change of a record of `topic`. Raises `Undecodable`, also for one that its writer has not signed (F2).

    A record without a value deletes its key on a compacted topic, and is no event on any other. Without a verifier any
    writer is believed: for showing only.
    """
    if record.fault is not None:
        raise record.fault
    if record.value is None and record.key and topic.compacted:
        return Change(record.key.decode(errors="replace"), None, record.written, record)
    if verifier is not None:
        verifier.verify(record.topic, record.key, record.headers, record.value)
    envelope, data = decode(topic.name, record.key, record.headers, record.value)
    return Change(envelope.partitionkey, data, envelope.time, record)


def log_skipped(record: Record, fault: Undecodable) -> None:
    """Log where a record is that is not an event, or not one of its writer, and why."""
    fields = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "reason": fault.code}
    if fault.code in UNTRUSTED:
        log.error("alarm: no writer of the topic has signed this record; it is skipped", extra=fields)
    else:
        log.error("A record of a followed topic is not an event and is skipped", extra=fields)

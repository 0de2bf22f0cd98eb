"""Follows the topics that a service decides with, and keeps the snapshot of what they say.

Every worker reads them whole, from the first record to the end, before its first turn, and follows from then on. Nothing is committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from servicecert_schemas.codec import Undecodable, decode

from ..decider import Change, Known
from ..faults import Outage, is_transient, pauses, uncancelled, within
from .access import IN_THE_CLEAR, KafkaAccess
from .clients import fetched, stop

log = logging.getLogger(__name__)
K = TypeVar("K")

_TELL_SECONDS = 30.0


class Follower(Generic[K]):
    """The snapshot of a `Known`. `ready` is set once all that stood in the topics at the start is in it."""

    def __init__(
        self, known: Known[K] | None, bootstrap_servers: str, prefix: str, access: KafkaAccess = IN_THE_CLEAR
    ) -> None:
        self._known = known
        self._client = access.to(bootstrap_servers)
        self._topics = [prefix + topic.name for topic in known.topics] if known else []
        self.snapshot: Any = None if known is None else known.empty
        self.ready = asyncio.Event()
        self.faulty = 0
        self._told: tuple[Any, float] = (None, 0.0)
        self._outage = Outage("Kafka, for the topics that are followed")
        self._untold = Outage("What is told of the topics that are followed")

    async def run(self) -> None:
        """Follows for ever."""
        if self._known is None:
            self.ready.set()
            return
        async for _ in pauses():
            consumer = AIOKafkaConsumer(
                **self._client, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
            )
            try:
                await within(30, consumer.start())
                await uncancelled(self._follow(consumer, self._known))
            except (KafkaError, OSError, TimeoutError) as error:
                self._outage.began(error)
            finally:
                await stop(consumer)

    async def _follow(self, consumer: AIOKafkaConsumer, known: Known[K]) -> None:
        partitions = [
            TopicPartition(topic, number) for topic in self._topics for number in await _partitions(consumer, topic)
        ]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        self._outage.ended()
        snapshot = known.empty
        caught_up = False
        while True:
            batches = await fetched(consumer, 500, 5_000)
            changes = [change for records in batches.values() for change in self._changes(records)]
            if changes:
                snapshot = known.apply(snapshot, changes)
            if not caught_up:
                # Also after a fault: what was known before counts until all of it is read again.
                if [p for p in partitions if await consumer.position(p) < ends[p]]:
                    continue
                caught_up = True
                self.ready.set()
            self.snapshot = snapshot
            if not changes:
                await self._settle(known, snapshot)

    async def _settle(self, known: Known[K], snapshot: K) -> None:
        """Tells the service of a snapshot that is new, or that it was told of a while ago. What fails for now is tried in the next round."""
        at = asyncio.get_running_loop().time()
        told, when = self._told
        if known.settled is None or (told is snapshot and at < when + _TELL_SECONDS):
            return
        try:
            await within(_TELL_SECONDS, known.settled(snapshot))
        except Exception as error:
            if not is_transient(error):
                raise
            self._untold.began(error)
        else:
            self._untold.ended()
            self._told = snapshot, at

    def _changes(self, records: Sequence[ConsumerRecord]) -> list[Change]:
        changes: list[Change] = []
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            if record.value is None:
                changes.append(Change(key, None, datetime.fromtimestamp(record.timestamp / 1000, UTC)))
                continue
            try:
                envelope, data = decode(record.key, record.headers, record.value)
                changes.append(Change(key, data, envelope.time))
            except Undecodable as fault:
                self.faulty += 1
                log.error(
                    "An entry of %s is no event of ours (%s) and is left out",
                    record.topic,
                    fault.code,
                    extra={"partition": record.partition, "offset": record.offset},
                )
        return changes


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The partitions of a topic. Raises `KafkaError` where there is none, since nothing could be followed then.

    A consumer that subscribes to nothing hears of a topic's partitions only once its client tracks the topic.
    """
    await consumer._client.add_topic(topic)
    partitions: set[int] | None = consumer.partitions_for_topic(topic)
    if not partitions:
        raise KafkaError(f"the topic {topic} has no partitions yet")
    return partitions

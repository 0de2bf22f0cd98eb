"""Reads the topics that a responder answers from, from their first record on, and says up to which moment they are read.

The moment is when the broker was asked for the ends of the topics, if all that it named is read. A broker that is away names nothing, so the
moment stands still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, OCSP_RESPONDERS
from servicecert_worker.faults import OperatorError, Outage, pauses, uncancelled, within
from servicecert_worker.kafka import origins
from servicecert_worker.kafka.access import IN_THE_CLEAR, KafkaAccess
from servicecert_worker.kafka.clients import fetched, stop

log = logging.getLogger(__name__)

TOPICS = (CERTIFICATE_STANDINGS, OCSP_RESPONDERS)

_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
_AT_ONCE = 5_000
# A turn of the event loop that takes longer makes whoever asks meanwhile wait.
_SLICE = 100


class Feed:
    """Gives each event to `take`, and each moment up to which everything is read to `reached`."""

    def __init__(
        self,
        bootstrap_servers: str,
        prefix: str,
        take: Callable[[EventData, datetime], None],
        reached: Callable[[datetime], None],
        clock: Callable[[], datetime],
        access: KafkaAccess = IN_THE_CLEAR,
    ) -> None:
        self._client = access.to(bootstrap_servers)
        self._topics = [prefix + topic.name for topic in TOPICS]
        self._take = take
        self._reached = reached
        self._clock = clock
        self._positions: dict[TopicPartition, int] = {}
        self._origins: Mapping[str, str] = {}
        self._outage = Outage("Kafka")
        self.faulty = 0

    async def run(self) -> None:
        """Follows for ever. Raises OperatorError where a topic is missing, or was deleted and made anew."""
        async for _ in pauses(longest=2.0):
            consumer = AIOKafkaConsumer(
                **self._client, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
            )
            try:
                await within(_ANSWER_SECONDS, consumer.start())
                await uncancelled(self._follow(consumer))
            except (KafkaError, OSError, TimeoutError) as error:
                self._outage.began(error)
            finally:
                await stop(consumer)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        await self._check_origins(consumer._client)
        partitions = [
            TopicPartition(name, number)
            for name, topic in zip(self._topics, TOPICS, strict=True)
            for number in range(topic.partitions)
        ]
        consumer.assign(partitions)
        for partition, position in self._positions.items():
            consumer.seek(partition, position)
        self._outage.ended()
        looked = 0.0
        while True:
            batches = await fetched(consumer, 100, _AT_ONCE)
            for partition, records in batches.items():
                await self._give(records)
                self._positions[partition] = records[-1].offset + 1
            if (at := asyncio.get_running_loop().time()) >= looked + _LOOK_SECONDS:
                looked = at
                await self._look(consumer, partitions)

    async def _give(self, records: Sequence[ConsumerRecord]) -> None:
        for start in range(0, len(records), _SLICE):
            for record in records[start : start + _SLICE]:
                self._decoded(record)
            await asyncio.sleep(0)

    def _decoded(self, record: ConsumerRecord) -> None:
        try:
            envelope, data = decode(record.key, record.headers, record.value)
        except Undecodable as fault:
            self.faulty += 1
            place = {"partition": record.partition, "offset": record.offset}
            log.error("A record of %s is no event of ours (%s) and is left out", record.topic, fault.code, extra=place)
        else:
            self._take(data, envelope.time)

    async def _look(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Asks the broker for the ends, and says the moment if all of it is read."""
        asked = self._clock()
        ends = await within(_ANSWER_SECONDS, consumer.end_offsets(partitions))
        positions = {each: await consumer.position(each) for each in partitions}
        if any(positions[each] > ends[each] for each in partitions):
            await self._check_origins(consumer._client)
        elif all(positions[each] >= ends[each] for each in partitions):
            self._reached(asked)

    async def _check_origins(self, client: AIOKafkaClient) -> None:
        """Raises OperatorError where the topics are not those that were read from."""
        found = await within(_ANSWER_SECONDS, origins.look(client, self._topics))
        origins.require(found, self._topics)
        before = self._origins or found
        if changed := [name for name in sorted(before) if found.get(name) != before[name]]:
            raise OperatorError(
                f"Kafka is not the one that was read from: {', '.join(changed)} was deleted and made anew. Nothing is "
                "answered from what may not be all: fill it by `servicecert standings --yes`, then start the responder again.",
                exit_code=65,
            )
        self._origins = found


def age(moment: datetime | None, now: datetime) -> float:
    """Seconds since the feed was last read to its end; since for ever where it never was."""
    return float("inf") if moment is None else max(0.0, (now - moment.astimezone(UTC)).total_seconds())

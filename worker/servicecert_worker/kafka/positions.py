"""Where a subscriber reads on in a partition whose next record it does not know, or that was deleted (F7)."""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError

log = logging.getLogger(__name__)

NoPosition = (NoOffsetForPartitionError, OffsetOutOfRangeError)
"""What a client raises that is told to set no position by itself. It names the partitions."""


class Positions:
    """Sets a partition to its first record, and counts the records that were deleted unread, by topic.

    `begun` gets where a partition is read from for the first time: what is deleted later is then known to be missing.
    """

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()
        self.begun: Callable[[TopicPartition, int], object] = lambda *_: None

    async def set(self, consumer: AIOKafkaConsumer, cause: NoOffsetForPartitionError | OffsetOutOfRangeError) -> None:
        """Set the partitions that `cause` names. Raises what aiokafka raises."""
        named = cause.args[0]
        offsets: dict[TopicPartition, int | None] = named if isinstance(named, dict) else {named: None}
        first = await consumer.beginning_offsets(list(offsets))
        for partition, offset in offsets.items():
            begin = first[partition]
            if offset is None:
                self.begun(partition, begin)
            else:
                self._count(partition, offset, begin)
            # Another worker may have it by now.
            with suppress(IllegalStateError):
                consumer.seek(partition, begin)

    def _count(self, partition: TopicPartition, offset: int, begin: int) -> None:
        place = {"topic": partition.topic, "partition": partition.partition, "offset": offset, "first": begin}
        if offset < begin:
            self.lost[partition.topic] += begin - offset
            log.error("alarm: records were deleted before they were read; their writer has them", extra=place)
        else:
            log.error("alarm: Kafka has lost records that were read; the partition is read again", extra=place)

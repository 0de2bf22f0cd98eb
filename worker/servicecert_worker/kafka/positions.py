"""Where a subscriber reads on in a partition whose next record it does not know, or that was deleted (F7), and where it
cannot: it is reopened again and again at the same offset, and gets no further.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError

log = logging.getLogger(__name__)

NoPosition = (NoOffsetForPartitionError, OffsetOutOfRangeError)
"""What a client raises that is told to set no position by itself. It names the partitions."""


class Positions:
    """Sets a partition to its first record, and counts the records that were deleted unread, by topic.

    `begun` gets where a partition is read from for the first time: what is deleted later is then known to be missing.
    `went_back` gets from where a partition is read again that has lost records: others take their places.
    """

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()
        self.begun: Callable[[TopicPartition, int], object] = lambda *_: None
        self.went_back: Callable[[AIOKafkaConsumer, TopicPartition, int], Awaitable[None]] = _nowhere

    async def set(
        self, consumer: AIOKafkaConsumer, cause: NoOffsetForPartitionError | OffsetOutOfRangeError
    ) -> list[TopicPartition]:
        """Set the partitions that `cause` names, and return those that went back. Raises what aiokafka raises."""
        named = cause.args[0]
        offsets: dict[TopicPartition, int | None] = named if isinstance(named, dict) else {named: None}
        first = await consumer.beginning_offsets(list(offsets))
        back = [partition for partition, offset in offsets.items() if offset is not None and offset >= first[partition]]
        for partition, offset in offsets.items():
            begin = first[partition]
            if offset is None:
                self.begun(partition, begin)
            else:
                self._count(partition, offset, begin)
            # Another worker may have it by now.
            with suppress(IllegalStateError):
                consumer.seek(partition, begin)
            if partition in back:
                await self.went_back(consumer, partition, begin)
        return back

    def _count(self, partition: TopicPartition, offset: int, begin: int) -> None:
        place = {"topic": partition.topic, "partition": partition.partition, "offset": offset, "first": begin}
        if offset < begin:
            self.lost[partition.topic] += begin - offset
            log.error("alarm: records were deleted before they were read; their writer has them", extra=place)
        else:
            log.error("alarm: Kafka has lost records that were read; the partition is read again", extra=place)


async def _nowhere(*_: object) -> None: ...


Partition: TypeAlias = tuple[str, int]
"""A topic's name and a number, such as aiokafka's `TopicPartition`."""

_REOPENINGS = 3
"""One or two at an offset are an outage that ends by itself."""


class Standstill:
    """Counts how often a subscriber was reopened at the offset where a partition is. To get further is to be read."""

    def __init__(self) -> None:
        self._reopened: dict[Partition, tuple[int, int]] = {}

    @property
    def offsets(self) -> dict[Partition, int]:
        """The next offset of each stalled partition: one at which the subscriber was reopened three times."""
        return {each: offset for each, (offset, times) in self._reopened.items() if times >= _REOPENINGS}

    @property
    def reason(self) -> str | None:
        """A sentence for `/ready` about the first stalled partition; None if there is none."""
        for (topic, number), offset in self.offsets.items():
            return f"{topic}, partition {number}, cannot be read at offset {offset}: see the alert PartitionStalled"
        return None

    def reopened(self, offsets: Mapping[Partition, int]) -> None:
        """Count a reopening at these next offsets, those of the partitions that have more to read."""
        for partition, offset in offsets.items():
            before, times = self._reopened.get(partition, (offset, 0))
            self._reopened[partition] = offset, times + 1 if before == offset else 1

    def reads(self, offsets: Mapping[Partition, int | None]) -> None:
        """Note the next offsets of all partitions that the subscriber has; None where it does not know one yet.

        Without any it has not joined its group again. A partition that another worker has counts as stalled once this
        one is reopened there again: each worker of a group may have it in turn.
        """
        for partition, (offset, times) in tuple(self._reopened.items()) if offsets else ():
            if partition not in offsets:
                self._reopened[partition] = offset, min(times, _REOPENINGS - 1)
            elif (offsets[partition] or 0) > offset:
                del self._reopened[partition]

"""Reads topics from their first record on, for as long as the process runs, and says when all of them is read. Nothing is committed.

One way for all who decide or answer by what topics say: the snapshots of services, and the OCSP responder.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from servicecert_schemas.codec import Undecodable, decode

from ..clock import Clock, machine_clock
from ..decider import Change
from ..faults import Outage, with_timeout
from ..runtime.record import time_of
from .broker import Broker, is_stuck, subscribe
from .internals import position_of

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SOON_SECONDS = 0.02
_LOOK_SECONDS = 0.5
_MOST = 5_000
# A turn of the event loop that takes longer makes whoever asks meanwhile wait.
_SLICE = 100


class Follower:
    """Gives what the topics say to `take`, and each moment up to which all of them is read to `reached`.

    The moment is the one at which the broker was asked how far the topics reach. A broker that is away says nothing, so the moment stands still.
    What one of the two raises, `watch` raises too. `told_as` is what an outage is told of. `faulty` counts records that are no events. Whether the
    topics are still the same ones is for `origins` to see.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        take: Callable[[Sequence[Change]], None],
        reached: Callable[[datetime], Awaitable[None]],
        clock: Clock = machine_clock,
        told_as: str = "Kafka",
    ) -> None:
        self.faulty = 0
        self._broker = broker
        self._topics = frozenset(topics)
        self._take = take
        self._reached = reached
        self._clock = clock
        self._next: dict[TopicPartition, int] = {}
        self._busy = False
        self._fault: Exception | None = None
        self._outage = Outage(told_as)
        self._subscriber = subscribe(broker, topics, self.receive, group_id=None, max_records=_MOST)

    async def receive(self, records: Sequence[ConsumerRecord]) -> None:
        """Take what was fetched, each record once, a slice at a time: the subscriber's handler."""
        self._busy = True
        try:
            for start in range(0, len(records), _SLICE):
                self._take_slice(records[start : start + _SLICE])
                await asyncio.sleep(0)
        except Exception as error:
            self._fault = error
            raise
        finally:
            self._busy = False

    def _take_slice(self, records: Sequence[ConsumerRecord]) -> None:
        new = [each for each in records if each.offset >= self._next.get(_partition(each), 0)]
        changes = [change for record in new if (change := change_of(record)) is not None]
        self.faulty += len(new) - len(changes)
        self._take(changes)
        self._next.update((_partition(record), record.offset + 1) for record in new)

    async def watch(self) -> NoReturn:
        """Tell how far is read, and open the subscriber again where it reads no more, going on where it was."""
        pause = _SOON_SECONDS
        while True:
            await asyncio.sleep(pause)
            if self._fault is not None:
                raise self._fault
            if self._broker.is_stopped:
                continue
            if is_stuck(self._subscriber):
                await self._broker.reopen(self._subscriber, self._outage)
                self._go_on()
            elif self._subscriber.running and await self._look(self._subscriber.consumer):
                pause = _LOOK_SECONDS

    def _go_on(self) -> None:
        """Read on where it was; what is read again is dropped in any case."""
        for partition, offset in self._next.items():
            with suppress(IllegalStateError):
                self._subscriber.consumer.seek(partition, offset)

    async def _look(self, consumer: AIOKafkaConsumer) -> bool:
        """Return whether all that the topics held just now is taken."""
        asked = self._clock()
        try:
            partitions = consumer.assignment()
            is_whole = {partition.topic for partition in partitions} == self._topics
            ends = await with_timeout(_ANSWER_SECONDS, consumer.end_offsets(partitions)) if partitions else {}
            positions = {each: position_of(consumer, each) or 0 for each in partitions}
        except (KafkaError, OSError, TimeoutError) as error:
            self._outage.began(error)
            return False
        self._outage.ended()
        # The client's position runs ahead of what is taken only while the handler is busy.
        if self._busy or not is_whole or any(positions[each] < ends[each] for each in partitions):
            return False
        # A topic that ends before what was taken of it is another one.
        if any(self._next.get(each, 0) > ends[each] for each in partitions):
            return False
        await self._reached(asked)
        return True


def change_of(record: ConsumerRecord) -> Change | None:
    """Return what a record says; None, and an error in the log, where it is no event."""
    key = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return Change(key, None, time_of(record.timestamp))
    try:
        envelope, data = decode(record.key, record.headers, record.value)
    except Undecodable as fault:
        place = {"partition": record.partition, "offset": record.offset}
        log.error("A record of %s is no event (%s) and is left out", record.topic, fault.code, extra=place)
        return None
    return Change(key, data, envelope.time)


def _partition(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)

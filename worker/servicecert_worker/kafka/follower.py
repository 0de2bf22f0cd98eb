"""A follower reads topics from their first record on, for as long as the process runs, without a consumer group.

The services' topic snapshots and the OCSP responder use it.
"""

import asyncio
import logging
import os
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
from ..signatures import UNTRUSTED, Verifier
from .broker import Broker, is_stuck, subscribe
from .internals import position_of

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SOON_SECONDS = 0.02
_LOOK_SECONDS = 0.5
_MOST = 5_000
# Larger slices would block the event loop, and with it the OCSP responder's answers.
_SLICE = 50
_THREADS = os.cpu_count() or 1
_FEW = 4


class Follower:
    """Passes the topics' changes to `take`, and calls `reached` with each moment up to which the topics are read.

    That moment is when the broker was asked for the topics' ends, so it stands still during an outage. `watch` raises
    what either function raises. `outage_name` names Kafka in the log of an outage. `faulty` counts records that are not
    events. `origins` checks that the topics are still the same.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        take: Callable[[Sequence[Change]], None],
        reached: Callable[[datetime], Awaitable[None]],
        verifier: Verifier,
        clock: Clock = machine_clock,
        outage_name: str = "Kafka",
    ) -> None:
        self.faulty = 0
        self._broker = broker
        self._topics = frozenset(topics)
        self._take = take
        self._reached = reached
        self._verifier = verifier
        self._clock = clock
        self._next: dict[TopicPartition, int] = {}
        self._busy = False
        self._fault: Exception | None = None
        self._outage = Outage(outage_name)
        self._subscriber = subscribe(broker, topics, self.receive, group_id=None, max_records=_MOST)

    async def receive(self, records: Sequence[ConsumerRecord]) -> None:
        """Take fetched records, each once, a slice at a time: the subscriber's handler."""
        self._busy = True
        try:
            for start in range(0, len(records), _SLICE * _THREADS):
                await self._take_slices(records[start : start + _SLICE * _THREADS])
                await asyncio.sleep(0)
        except Exception as error:
            self._fault = error
            raise
        finally:
            self._busy = False

    async def _take_slices(self, records: Sequence[ConsumerRecord]) -> None:
        """Read slices at once in threads, since verifying a signature releases the interpreter; take them in order."""
        new = [each for each in records if each.offset >= self._next.get(_partition(each), 0)]
        slices = [new[start : start + _SLICE] for start in range(0, len(new), _SLICE)]
        if len(new) > _FEW:
            read = await asyncio.gather(*(asyncio.to_thread(self._changes, each) for each in slices))
        else:
            read = [self._changes(each) for each in slices]
        for changes in read:
            self._take(changes)
        self.faulty += len(new) - sum(map(len, read))
        self._next.update((_partition(record), record.offset + 1) for record in new)

    def _changes(self, records: Sequence[ConsumerRecord]) -> list[Change]:
        return [change for record in records if (change := change_of(record, self._verifier)) is not None]

    async def watch(self) -> NoReturn:
        """Report how far the topics are read, and reopen a stuck subscriber where it was."""
        pause = _SOON_SECONDS
        while True:
            await asyncio.sleep(pause)
            if self._fault is not None:
                raise self._fault
            if self._broker.is_stopped:
                continue
            if is_stuck(self._subscriber):
                await self._broker.reopen(self._subscriber, self._outage)
                self._seek()
            elif self._subscriber.running and await self._look(self._subscriber.consumer):
                pause = _LOOK_SECONDS

    def _seek(self) -> None:
        """Continue where the follower was; records read again are dropped in any case."""
        for partition, offset in self._next.items():
            with suppress(IllegalStateError):
                self._subscriber.consumer.seek(partition, offset)

    async def _look(self, consumer: AIOKafkaConsumer) -> bool:
        """Return whether everything in the topics at this moment is taken."""
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
        # The client's position is ahead of the taken records only while the handler is busy.
        if self._busy or not is_whole or any(positions[each] < ends[each] for each in partitions):
            return False
        # A topic that ends before the taken records was deleted and created again.
        if any(self._next.get(each, 0) > ends[each] for each in partitions):
            return False
        await self._reached(asked)
        return True


def change_of(record: ConsumerRecord, verifier: Verifier | None = None) -> Change | None:
    """Return a record's change; log an error and return None if it is not an event, or not one of its writer (F2).

    Without a verifier any writer is believed: for showing only.
    """
    key = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return Change(key, None, time_of(record.timestamp))
    try:
        if verifier is not None:
            verifier.verify(record.topic, record.key, record.headers, record.value)
        envelope, data = decode(record.key, record.headers, record.value)
    except Undecodable as fault:
        fields = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "reason": fault.code}
        if fault.code in UNTRUSTED:
            log.error("alarm: no writer of the topic has signed this record; it is skipped", extra=fields)
        else:
            log.error("A record of a followed topic is not an event and is skipped", extra=fields)
        return None
    return Change(key, data, envelope.time)


def _partition(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)

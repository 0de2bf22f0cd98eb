"""A follower reads topics from their first record on, for as long as the process runs, without a consumer group.

The services' topic snapshots and the OCSP responder use it.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Generic, NoReturn, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.event import Change
from servicecert_schemas.topics import TOPIC_OF, Topic

from ..core.clock import Clock, machine_clock
from ..core.decider import TopicSnapshot
from ..core.faults import Outage, on_transient, with_timeout
from ..core.record import Arrival, Record, are_few
from ..core.signatures import Verifier
from .broker import Broker, Subscriber, is_stuck
from .internals import position_of
from .positions import Positions, Standstill
from .reading import change_of, log_skipped

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SOON_SECONDS = 0.02
_LOOK_SECONDS = 1.0
_MOST = 5_000
# Larger slices would block the event loop, and with it the OCSP responder's answers.
_SLICE = 50
_THREADS = os.cpu_count() or 1
# Whoever may write to a topic may write junk, which is read again at each start: the metric counts on.
_MOST_LOGGED = 100


class Follower:
    """Passes the topics' changes to `take`, and calls `reached` with each moment up to which the topics are read.

    That moment is when the broker was asked for the topics' ends, so it stands still during an outage. `watch` raises
    what either function raises. `outage_name` names Kafka in the log of an outage. `skipped` counts records that are no
    events, or were refused, by topic and reason. `offsets` has the next offset of each partition, `newest` when the
    newest record of each topic was written, in seconds since 1970, `standstill` the partitions that it cannot read,
    `positions` what was deleted before it was read. `skip` gets each record that changes nothing, and why. Where no
    record comes, the broker is asked for the ends each second, or each `rest_seconds`.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[Topic],
        take: Callable[[Sequence[Change]], None],
        reached: Callable[[datetime], Awaitable[None]],
        verifier: Verifier,
        clock: Clock = machine_clock,
        outage_name: str = "Kafka",
        rest_seconds: float = 0.0,
        skip: Callable[[Topic, Record, str], None] = lambda *_: None,
    ) -> None:
        self.skipped: Counter[tuple[str, str]] = Counter()
        self.offsets: dict[TopicPartition, int] = {}
        self.newest: dict[str, float] = {}
        self.standstill = Standstill()
        self.positions = Positions()
        self._broker = broker
        self._topics = {broker.cluster.name(topic): topic for topic in topics}
        self._take = take
        self._skip = skip
        self._reached = reached
        self._verifier = verifier
        self._clock = clock
        self._rest_seconds = rest_seconds
        self._busy = False
        self._fault: Exception | None = None
        self._outage = Outage(outage_name)
        self._subscriber: Subscriber = broker.subscriber(
            *self._topics, group_id=None, max_records=_MOST, positions=self.positions
        )
        self._subscriber(self.receive)
        self.positions.went_back = self._go_back

    async def receive(self, records: Sequence[Record]) -> None:
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

    async def _take_slices(self, records: Sequence[Record]) -> None:
        """Read slices at once in threads, since verifying a signature releases the interpreter; take them in order."""
        new = [each for each in records if each.next_offset > self.offsets.get(_partition(each), 0)]
        slices = [new[start : start + _SLICE] for start in range(0, len(new), _SLICE)]
        if are_few(new):
            read = [self._read(each) for each in slices]
        else:
            read = await asyncio.gather(*(asyncio.to_thread(self._read, each) for each in slices))
        for changes, faults in read:
            for record, fault in faults:
                if self._is_logged(self._topics[record.topic], record, fault.code):
                    log_skipped(record, fault)
            self._take(changes)
        for record in new:
            self.offsets[_partition(record)] = record.next_offset
            self.newest[record.topic] = max(record.written.timestamp(), self.newest.get(record.topic, 0.0))

    def _read(self, records: Sequence[Record]) -> tuple[list[Change], list[tuple[Record, Undecodable]]]:
        changes: list[Change] = []
        faults: list[tuple[Record, Undecodable]] = []
        for record in records:
            try:
                changes.append(change_of(self._topics[record.topic], record, self._verifier))
            except Undecodable as fault:
                faults.append((record, fault))
        return changes, faults

    async def _go_back(self, _: AIOKafkaConsumer, partition: TopicPartition, first: int) -> None:
        self.offsets[partition] = first

    def refuse(self, change: Change, reason: str) -> None:
        """Count and log an event that changes nothing, since its actor may not cause it or its account is full."""
        assert change.data is not None
        topic = TOPIC_OF[change.data.TYPE]
        if self._is_logged(topic, change.record, reason):
            log.error(
                "alarm: an event of an account is refused and changes nothing",
                extra={"topic": topic.name, "key": change.key, "type": change.data.TYPE, "reason": reason},
            )

    def _is_logged(self, topic: Topic, record: Record, reason: str) -> bool:
        """Count a record that was skipped, and pass it on. Return whether it is one of the first of its kind."""
        self._skip(topic, record, reason)
        self.skipped[topic.name, reason] += 1
        return self.skipped[topic.name, reason] <= _MOST_LOGGED

    async def watch(self) -> NoReturn:
        """Report how far the topics are read, and reopen a stuck subscriber where it was."""
        pause, looked, rests_until = _SOON_SECONDS, None, 0.0
        while True:
            await asyncio.sleep(pause)
            if self._fault is not None:
                raise self._fault
            if self._broker.is_stopped:
                continue
            if is_stuck(self._subscriber, self.standstill):
                await self._broker.reopen(self._subscriber, self._outage)
                self._seek()
            elif self._subscriber.running and (looked != self.offsets or monotonic() >= rests_until):
                offsets = dict(self.offsets)
                if await self._look(self._subscriber.consumer):
                    pause, looked, rests_until = _LOOK_SECONDS, offsets, monotonic() + self._rest_seconds

    def _seek(self) -> None:
        for partition, offset in self.offsets.items():
            with suppress(IllegalStateError):
                self._subscriber.consumer.seek(partition, offset)

    async def _look(self, consumer: AIOKafkaConsumer) -> bool:
        """Return whether everything in the topics at this moment is taken."""
        asked = self._clock()
        try:
            partitions = consumer.assignment()
            is_whole = {partition.topic for partition in partitions} == self._topics.keys()
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
        if any(self.offsets.get(each, 0) > ends[each] for each in partitions):
            return False
        await self._reached(asked)
        return True


def _partition(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


K = TypeVar("K")

_REPORT_SECONDS, _REST_SECONDS = 30.0, 5.0
_ANSWERED_FOR = timedelta(days=1)
"""Nobody waits longer for an answer. The topics are read from their beginning at each start."""


class SnapshotFollower(Generic[K]):
    """Keeps the value of a `TopicSnapshot` up to date. `ready` is set once it has reached the end of the topics.

    `give` gets the answers to records that change nothing: the same ones again after each start.
    """

    def __init__(
        self,
        definition: TopicSnapshot[K] | None,
        broker: Broker,
        verifier: Verifier,
        give: Callable[[Sequence[Arrival]], None] = lambda _: None,
        clock: Clock = machine_clock,
    ) -> None:
        self.value: Any = None if definition is None else definition.empty
        self.ready = asyncio.Event()
        self._definition = definition
        self._give = give
        self._reported: tuple[Any, float] = (None, 0.0)
        self._read_to: datetime | None = None
        self._outage = Outage("The service's handler of topic snapshots")
        self.follower: Follower | None = None
        if definition is None:
            self.ready.set()
        else:
            self.follower = Follower(
                broker,
                definition.topics,
                self._take,
                self._at_end,
                verifier,
                clock,
                outage_name="Kafka (followed topics)",
                rest_seconds=_REST_SECONDS,
                skip=self._answer,
            )

    async def run(self) -> None:
        """Follow the topics for ever; return at once if there are none. Raises what the service's functions raise."""
        return None if self.follower is None else await self.follower.watch()

    def known(self) -> Any:
        """Return what a turn is decided with."""
        return None if self._definition is None else self._definition.as_of(self.value, self._read_to)

    def _take(self, changes: Sequence[Change]) -> None:
        assert self._definition is not None
        assert self.follower is not None
        for change, code in self._definition.refused(self.value, changes):
            self.follower.refuse(change, code)
        self.value = self._definition.apply(self.value, changes)

    def _answer(self, topic: Topic, record: Record, code: str) -> None:
        assert self._definition is not None
        now = machine_clock()
        is_awaited = record.written > now - _ANSWERED_FOR
        if is_awaited and (answer := self._definition.answer(topic, record, code, now)) is not None:
            self._give([Arrival(record, answer)])

    async def _at_end(self, moment: datetime) -> None:
        """Pass a new snapshot to the service, or the same one after 30 s. Transient errors are retried next time."""
        self._read_to = moment
        self.ready.set()
        now = asyncio.get_running_loop().time()
        snapshot, at = self._reported
        if self._definition is None or self._definition.on_caught_up is None:
            return
        if snapshot is self.value and now < at + _REPORT_SECONDS:
            return
        with on_transient(self._outage.began):
            await with_timeout(_REPORT_SECONDS, self._definition.on_caught_up(value := self.value))
            self._outage.ended()
            self._reported = value, now

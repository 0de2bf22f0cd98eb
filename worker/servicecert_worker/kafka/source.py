"""The way in from Kafka: FastStream's subscriber hands over what it fetched; the source remembers what is handled and commits it.

Offsets are committed explicitly, per partition, after the transaction that handled their records: at least once. The inbox makes it once in effect.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from ..faults import Outage, error_summary, with_timeout
from ..runtime.record import Record, time_of
from .broker import Broker, is_stuck, leave, subscribe
from .internals import position_of

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_COMMIT_SECONDS = 1.0
_ROOM_SECONDS = 0.05
_FETCH_BYTES = 8 * 1024 * 1024


class Source:
    """The records of a service's topics, in order within each partition: one batch subscriber reads them all, at most `most` at once.

    A handler that does not return is the back pressure: FastStream fetches no more before it does.
    """

    def __init__(
        self, broker: Broker, topics: Sequence[str], group: str, session_seconds: float = 6.0, most: int = 400
    ) -> None:
        self._broker = broker
        self._wake: Callable[[], None] = lambda: None
        self._room: Callable[[], int] = lambda: 0
        self._records: deque[Record] = deque()
        self._taken: list[Record] = []
        self._handled: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._roomy = asyncio.Event()
        self._ending = False
        self._outage = Outage("Kafka")
        session_ms = int(session_seconds * 1000)
        self._subscriber = subscribe(
            broker,
            topics,
            self.receive,
            group_id=group,
            max_records=most,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(200, session_ms // 3),
            max_poll_interval_ms=1_800_000,
            fetch_max_bytes=_FETCH_BYTES,
            listener=_Forget(self),
        )

    def bind(self, wake: Callable[[], None], room: Callable[[], int]) -> None:
        """Name what is called when records have come, and what returns how many more may wait here."""
        self._wake, self._room = wake, room

    async def receive(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in what was fetched, and return once there is room for more: the subscriber's handler."""
        if self._ending:
            return
        self._records.extend([_record(record) for record in records])
        self._wake()
        while self._room() <= len(self._records) and not self._ending:
            self._roomy.clear()
            # Room also comes from acts that end, which nobody tells here.
            with suppress(TimeoutError):
                await with_timeout(_ROOM_SECONDS, self._roomy.wait())

    def __len__(self) -> int:
        return len(self._records)

    def __bool__(self) -> bool:
        """A source is one, also when it is empty."""
        return True

    def take(self, limit: int) -> list[Record]:
        """Return the next records, at most `limit`. They count as waiting until they are handled."""
        self._taken = [self._records.popleft() for _ in range(min(limit, len(self._records)))]
        self._roomy.set()
        return self._taken

    def handled(self, records: Sequence[Record]) -> None:
        """Note that the records had their effect, or are parked: their offsets may be committed."""
        self._taken = []
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._handled[partition] = max(record.offset + 1, self._handled.get(partition, 0))
        self._roomy.set()

    def oldest(self) -> dict[tuple[str, int], datetime]:
        """Return when the oldest record that waits here was written, by topic and partition."""
        oldest: dict[tuple[str, int], datetime] = {}
        for record in (*self._taken, *self._records):
            oldest.setdefault((record.topic, record.partition), record.written)
        return oldest

    def lag(self) -> dict[tuple[str, int], int]:
        """Return how many records of each assigned partition are not handled yet, as far as the broker has told this consumer."""
        if (consumer := self._consumer) is None:
            return {}
        waiting = Counter((record.topic, record.partition) for record in (*self._taken, *self._records))
        lags: dict[tuple[str, int], int] = {}
        for partition in consumer.assignment():
            end, position = consumer.highwater(partition), position_of(consumer, partition)
            if end is not None and position is not None:
                place = (partition.topic, partition.partition)
                lags[place] = max(0, end - position) + waiting[place]
        return lags

    def assigned(self) -> int:
        """Return how many partitions this worker reads."""
        return 0 if self._consumer is None else len(self._consumer.assignment())

    async def watch(self) -> NoReturn:
        """Commit what is handled, and open the subscriber again where it reads no more: FastStream notices neither."""
        clock = asyncio.get_running_loop().time
        committed = clock()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if is_stuck(self._subscriber):
                # First it must hand over no more: what is forgotten before would be passed by what comes after it.
                await leave(self._subscriber)
                self._forget()
                await self._broker.reopen(self._subscriber, self._outage)
            elif clock() - committed >= _COMMIT_SECONDS:
                await self.commit()
                committed = clock()

    async def finish(self) -> None:
        """Take nothing more in, and commit what is handled."""
        self._ending = True
        self._roomy.set()
        await self.commit()

    async def lose(self) -> None:
        """Forget what waits here before partitions are dealt out again: whoever gets them reads from the committed offset on."""
        try:
            await self.commit()
        finally:
            self._forget()

    async def commit(self) -> None:
        """Commit what is handled of the partitions that are still ours. What a rebalance overtakes is committed by whoever reads it then."""
        if (consumer := self._consumer) is None:
            return
        ours = consumer.assignment()
        offsets = {
            partition: offset
            for partition, offset in self._handled.items()
            if partition in ours and self._committed.get(partition, -1) < offset
        }
        if not offsets:
            return
        try:
            await with_timeout(15, consumer.commit(offsets))
        except (KafkaError, OSError, TimeoutError) as error:
            log.info("Offsets not committed (%s); the next commit includes them", error_summary(error))
            return
        self._committed.update(offsets)

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        consumer: AIOKafkaConsumer | None = self._subscriber.consumer
        return consumer

    def _forget(self) -> None:
        self._records.clear()
        self._handled.clear()
        self._committed.clear()
        self._roomy.set()


class _Forget(ConsumerRebalanceListener):
    """Tells the source that its partitions are taken back."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        if revoked:
            await self._source.lose()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        log.info("Reads %d partitions", len(assigned))


def _record(record: ConsumerRecord) -> Record:
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.headers,
        record.value,
        time_of(record.timestamp),
    )

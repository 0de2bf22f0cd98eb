"""The way in from Kafka: fetches ahead, remembers what is handled, commits it.

Offsets are committed explicitly, per partition, after the transaction that handled their records: at least once. The inbox makes it once in effect.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from ..faults import Outage, beside, named, pauses, uncancelled, within
from ..runtime.record import Record
from .access import IN_THE_CLEAR, KafkaAccess
from .clients import fetched, stop

log = logging.getLogger(__name__)

_COMMIT_SECONDS = 1.0
_FETCH_BYTES = 8 * 1024 * 1024


class Source:
    """The records of a service's topics, in order within each partition. `room` says how many more may be fetched now."""

    def __init__(
        self,
        topics: Sequence[str],
        group: str,
        bootstrap_servers: str,
        session_seconds: float,
        wake: Callable[[], None],
        room: Callable[[], int],
        access: KafkaAccess = IN_THE_CLEAR,
    ) -> None:
        self._topics = topics
        self._group = group
        self._client = access.to(bootstrap_servers)
        self._session_ms = int(session_seconds * 1000)
        self._wake = wake
        self._room = room
        self._records: deque[Record] = deque()
        self._taken: list[Record] = []
        self._handled: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._outage = Outage("Kafka")

    def __len__(self) -> int:
        return len(self._records)

    def take(self, limit: int) -> list[Record]:
        """The next records, at most `limit`. They count as waiting until they are handled."""
        self._taken = [self._records.popleft() for _ in range(min(limit, len(self._records)))]
        return self._taken

    def handled(self, records: Sequence[Record]) -> None:
        """Says that the records had their effect, or are parked: their offsets may be committed."""
        self._taken = []
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._handled[partition] = max(record.offset + 1, self._handled.get(partition, 0))

    def oldest(self) -> dict[tuple[str, int], datetime]:
        """When the oldest record that waits here was written, by topic and partition."""
        oldest: dict[tuple[str, int], datetime] = {}
        for record in (*self._taken, *self._records):
            oldest.setdefault((record.topic, record.partition), record.written)
        return oldest

    def lag(self) -> dict[tuple[str, int], int]:
        """How many records of each assigned partition are not handled yet, as far as the broker has told this consumer."""
        if self._consumer is None:
            return {}
        waiting = Counter((record.topic, record.partition) for record in (*self._taken, *self._records))
        lags: dict[tuple[str, int], int] = {}
        for partition in self._consumer.assignment():
            end = self._consumer.highwater(partition)
            state = self._consumer._subscription.subscription.assignment.state_value(partition)
            if end is not None and state is not None and state.has_valid_position:
                place = (partition.topic, partition.partition)
                lags[place] = max(0, end - state.position) + waiting[place]
        return lags

    def assigned(self) -> int:
        """How many partitions this worker reads."""
        return 0 if self._consumer is None else len(self._consumer.assignment())

    async def run(self) -> None:
        """Reads until it is cancelled; what fails is opened anew, with growing pauses. Leaves the group at the end."""
        async for _ in pauses():
            consumer = self._open()
            try:
                await within(30, consumer.start())
                await uncancelled(self._read(consumer))
            except (KafkaError, OSError, TimeoutError) as error:
                self._outage.began(error)
            finally:
                self._consumer = None
                self._committed.clear()
                await stop(consumer)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._outage.ended()
        try:
            async with beside(self._commit(consumer)):
                await self._fetch(consumer)
        finally:
            await self.commit(consumer)

    def _open(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **self._client,
            group_id=self._group,
            client_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=max(200, self._session_ms // 3),
            max_poll_interval_ms=1_800_000,
            fetch_max_bytes=_FETCH_BYTES,
            request_timeout_ms=15_000,
        )
        consumer.subscribe(self._topics, listener=_Forget(self))
        return consumer

    async def lose(self) -> None:
        """Forgets what waits here before partitions are dealt out anew: whoever gets them reads from the committed offset on."""
        if self._consumer is not None:
            await self.commit(self._consumer)
        self._records.clear()
        self._handled.clear()
        self._committed.clear()

    async def _fetch(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            room = self._room() - len(self._records)
            if room <= 0:
                await asyncio.sleep(0.01)
                continue
            batches = await fetched(consumer, 250, room)
            for records in batches.values():
                self._records.extend(_record(record) for record in records)
            if batches:
                self._wake()

    async def _commit(self, consumer: AIOKafkaConsumer) -> NoReturn:
        while True:
            await asyncio.sleep(_COMMIT_SECONDS)
            await self.commit(consumer)

    async def commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commits what is handled of the partitions that are still ours. A commit that a rebalance overtakes is dropped."""
        ours = consumer.assignment()
        offsets = {
            partition: offset
            for partition, offset in self._handled.items()
            if partition in ours and self._committed.get(partition, -1) < offset
        }
        if not offsets:
            return
        try:
            await within(15, consumer.commit(offsets))
        except (KafkaError, OSError, TimeoutError) as error:
            log.info("Offsets are not committed (%s); they are with the next ones", named(error))
            return
        self._committed.update(offsets)


class _Forget(ConsumerRebalanceListener):
    """Tells the source that its partitions are taken back."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        if revoked:
            await self._source.lose()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        log.info("Reads %d partitions", len(assigned))


def _record(record: Any) -> Record:
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.headers,
        record.value,
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )

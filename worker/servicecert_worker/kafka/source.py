"""The source buffers the records that FastStream's subscriber fetches, and commits the offsets of handled ones.

Offsets are committed after the transaction that handled their records: at least once; the inbox makes it exactly once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from ..core.faults import Outage, error_summary, is_transient, with_timeout
from ..core.record import Record
from .broker import Broker, Subscriber, is_stuck, octets_of, stop_subscriber
from .gathering import Gathering, is_behind
from .positions import Positions, Standstill

log = logging.getLogger(__name__)

Unsent: TypeAlias = Callable[[], Awaitable[tuple[int, int, int] | None]]

_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 15.0
_TRIES = 40
"""How often a source that ends or loses its partitions asks, for two seconds: what it does not commit is read again."""
_ROOM_SECONDS = 0.05
_HEARTBEAT_MS = 500
"""A member learns by its heartbeat that others joined or left; until all have, nobody in the group reads."""
_TURN_BYTES = 4 * 1024 * 1024
_WAITING_BYTES = 4 * _TURN_BYTES
"""What the values of the records of a turn, and of those that wait for one, may come to."""
_FETCH_WAIT_MS = 1_000
"""How long a fetch waits for a first record. What a rebalance asks over the same connection waits for it."""


class Source(ConsumerRebalanceListener):
    """The records of a service's topics, in order within each partition, from one batch subscriber.

    The application subscribes to `topics` with `options`, and the handler passes on to `receive`. It fetches at most
    `max_records` at once. Its handler returns only when there is room for more: the back pressure.
    `standstill` has the partitions that it cannot read, `positions` where it began, `unsent` of how many keys something
    is not in the journal, if offsets wait for that. It joins its group, and again after it was removed, once `may_join`
    is set.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        group: str,
        session_seconds: float = 6.0,
        max_records: int = 400,
        gathering: Gathering | None = None,
    ) -> None:
        self.standstill = Standstill()
        self.unsent = 0
        self._handled: dict[TopicPartition, int] = {}
        self.positions = Positions()
        self.positions.begun = self._handled.setdefault
        self.positions.went_back = self._go_back
        self._broker = broker
        self._wake: Callable[[], None] = lambda: None
        self._room: Callable[[], int] = lambda: 0
        self._unsent: Unsent | None = None
        self._waiting: tuple[int, dict[TopicPartition, int]] | None = None
        self._records: deque[Record] = deque()
        self._octets = 0
        self._in_turn: list[Record] = []
        self._committed: dict[TopicPartition, int] = {}
        self._has_room = asyncio.Event()
        self._finishing = False
        self._forgotten = False
        self._may_join = asyncio.Event()
        self._may_join.set()
        self._outage = Outage("Kafka")
        session_ms = int(session_seconds * 1000)
        self.topics = topics
        self.options: Mapping[str, Any] = {
            "take": self._read_by,
            "group_id": group,
            "max_records": max_records,
            "gathering": gathering,
            "positions": self.positions,
            "session_timeout_ms": session_ms,
            "heartbeat_interval_ms": min(_HEARTBEAT_MS, session_ms // 3),
            "max_poll_interval_ms": 1_800_000,
            "fetch_max_wait_ms": _FETCH_WAIT_MS,
            "listener": self,
        }

    def _read_by(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber

    def bind(
        self,
        wake: Callable[[], None],
        room: Callable[[], int],
        may_join: asyncio.Event | None = None,
        unsent: Unsent | None = None,
    ) -> None:
        """Set what is called when records have arrived, what returns how many more may wait here, and `may_join`.

        `unsent` returns the places of the first and the last change that is not in the journal, and of how many keys
        they are, None if all are: no offset is committed before the journal has what followed from its record.
        """
        self._wake, self._room, self._may_join = wake, room, may_join or self._may_join
        self._unsent = unsent

    async def receive(self, records: Sequence[Record]) -> None:
        """Take in fetched records, and return once there is room for more: the subscriber's handler."""
        if self._finishing or self._forgotten:
            return
        self._records.extend(records)
        self._octets += sum(map(octets_of, records))
        self._wake()
        while (self._room() <= len(self._records) or self._octets > _WAITING_BYTES) and not self._finishing:
            self._has_room.clear()
            # Effects that end make room too, without a signal.
            with suppress(TimeoutError):
                await with_timeout(_ROOM_SECONDS, self._has_room.wait())

    def __len__(self) -> int:
        return len(self._records)

    def __bool__(self) -> bool:
        """Return True, also for an empty source."""
        return True

    def take(self, limit: int) -> list[Record]:
        """Return the next records, at most `limit` and some 4 MiB. They count as waiting until they are handled."""
        self._in_turn, octets = [], 0
        while self._records and len(self._in_turn) < limit and octets < _TURN_BYTES:
            self._in_turn.append(record := self._records.popleft())
            octets += octets_of(record)
        self._octets -= octets
        self._has_room.set()
        return self._in_turn

    def handled(self, records: Sequence[Record]) -> None:
        """Note that the records are handled or parked: their offsets may be committed, unless they were forgotten."""
        if records is not self._in_turn:
            return
        self._in_turn = []
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._handled[partition] = max(record.next_offset, self._handled.get(partition, 0))
        self._has_room.set()

    def is_behind(self) -> bool:
        """Return whether records of assigned partitions wait, here or, as far as the consumer knows, at the broker."""
        if (consumer := self._consumer) is None:
            return False
        ours = consumer.assignment()
        waiting = {TopicPartition(record.topic, record.partition) for record in (*self._in_turn, *self._records)}
        return not waiting.isdisjoint(ours) or any(is_behind(consumer, partition) for partition in ours)

    def assigned(self) -> int:
        return 0 if self._consumer is None else len(self._consumer.assignment())

    async def watch(self) -> NoReturn:
        """Commit offsets every second, and reopen a stuck subscriber: FastStream does neither."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if is_stuck(self._subscriber, self.standstill) or (self._forgotten and self._subscriber.running):
                # Where one partition cannot be read, the others would begin at the same offsets each time.
                await self.commit()
                # Stop it first: a later record that it still delivers would commit past the cleared ones.
                await stop_subscriber(self._subscriber)
                self._clear()
                self._forgotten = False
                await self._broker.reopen(self._subscriber, self._outage)
            else:
                await self.commit()

    def forget(self) -> None:
        """Read again from the committed offsets: what came after them is gone, or the database that handled it."""
        self._clear()
        self._in_turn = []
        self._forgotten = self._consumer is not None

    async def _go_back(self, consumer: AIOKafkaConsumer, partition: TopicPartition, first: int) -> None:
        """Commit where a partition is read again, for the next owner too, and read all from what is committed."""
        await consumer.commit({partition: first})
        self.forget()

    async def finish(self) -> None:
        """Take in no more records, and commit offsets."""
        self._finishing = True
        self._has_room.set()
        await self._commit_all()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Commit and drop all records before a rebalance: the new owners read from the committed offsets on.

        Return when the group may be joined. Meanwhile the others wait for a member only until it is removed.
        """
        if revoked:
            try:
                await self._commit_all()
            finally:
                self._clear()
        while not (self._may_join.is_set() or self._finishing):
            with suppress(TimeoutError):
                await with_timeout(_LOOK_SECONDS, self._may_join.wait())

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        log.info("Partitions assigned", extra={"partitions": len(assigned)})

    async def _commit_all(self) -> None:
        """Commit, again for a while as long as records wait for the journal."""
        for _ in range(_TRIES):
            if await self.commit():
                return
            await asyncio.sleep(_ROOM_SECONDS)

    async def commit(self) -> bool:
        """Commit the offsets of handled records in partitions still assigned; new owners commit those of the others.

        Return False if some wait for the journal.
        """
        try:
            return await with_timeout(_ANSWER_SECONDS, self._commit())
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("Offsets not committed; the next commit includes them", extra={"error": error_summary(error)})
            return True

    async def _commit(self) -> bool:
        if (consumer := self._consumer) is None:
            return True
        ours = consumer.assignment()
        offsets = {
            partition: offset
            for partition, offset in self._handled.items()
            if partition in ours and self._committed.get(partition, -1) < offset
        }
        self.unsent = self.unsent if offsets else 0
        if journaled := await self._journaled(offsets) if offsets else {}:
            await consumer.commit(journaled)
            self._committed.update(journaled)
        return journaled == offsets

    async def _journaled(self, offsets: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return those of the offsets, or of those that waited the last time, whose records the journal has."""
        if self._unsent is None:
            return offsets
        first, last, self.unsent = await self._unsent() or (None, 0, 0)
        if any(self._handled.get(each, -1) < offset for each, offset in offsets.items()):
            # Forgotten meanwhile: asked was a database that they were not handled in.
            return {}
        if first is None:
            self._waiting = None
            return offsets
        before, waiting = self._waiting or (last, {})
        if waiting and first <= before:
            return {}
        self._waiting = last, offsets
        return {partition: offset for partition, offset in waiting.items() if partition in offsets}

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        consumer: AIOKafkaConsumer | None = self._subscriber.consumer
        return consumer

    def _clear(self) -> None:
        self._records.clear()
        self._octets = 0
        self._handled.clear()
        self._waiting = None
        self._committed.clear()
        self._has_room.set()

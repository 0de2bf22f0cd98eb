"""FastStream's broker with our settings: it waits for Kafka, passes raw records on, and never logs their content.

docs/decisions/faststream.md says what FastStream's defaults do instead, and what they cost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faststream import AckPolicy, BaseMiddleware
from faststream.kafka import KafkaBroker, Topic
from faststream.kafka.message import KafkaMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from ..core.access import KafkaAccess, SaslMechanism
from ..core.faults import Outage, backoff, error_summary, with_timeout
from ..core.record import Record
from .clients import stop
from .cluster import Cluster
from .gathering import Gathering
from .internals import is_broken, position_of, serve_last
from .positions import NoPosition, Positions, Standstill

if TYPE_CHECKING:
    from faststream.kafka.subscriber.usecase import BatchSubscriber

log = logging.getLogger(__name__)

Subscriber: TypeAlias = Any
"""FastStream's batch subscriber, whose class is internal."""

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_FAULT_SECONDS = 1.0
_FETCH_BYTES = 8 * 1024 * 1024
"""What one fetch brings, packed, and what the values of the records of one poll come to."""
_SHARE = 50
"""How many records of a partition come before the next partition's, where many have some: junk delays its own."""
_CAREFUL_POLLS = 100
"""How many polls after a failed fetch take one record at a time."""
_UNANSWERED_SECONDS = 30.0
_LONGEST_PATIENCE_SECONDS = 600.0
_SASL = {
    SaslMechanism.PLAIN: SASLPlaintext,
    SaslMechanism.SCRAM_SHA_256: SASLScram256,
    SaslMechanism.SCRAM_SHA_512: SASLScram512,
}


class Broker(KafkaBroker):
    """A `KafkaBroker` for reading. It retries its start while Kafka is down, and always stops within seconds."""

    def __init__(self, cluster: Cluster, client_id: str) -> None:
        self.client_id = client_id
        self.cluster = cluster
        super().__init__(
            cluster.bootstrap.split(","),
            client_id=client_id,
            security=security(cluster.access),
            consumer_only=True,
            request_timeout_ms=15_000,
            graceful_timeout=_STOP_SECONDS,
            apply_types=False,
            logger=ErrorTypeLogger(),
            middlewares=(RereadOnError,),
        )
        self._starting: asyncio.Task[Any] | None = None
        self.is_stopped = False

    def subscriber(self, *topics: Any, **options: Any) -> "BatchSubscriber":  # type: ignore[override]  # always batches
        """Return a batch subscriber that reads from its group's offsets, or else from the first record.

        Options beyond FastStream's: `gathering`, `positions`, which set where it begins, and `take`, which gets it.
        The handler gets our own records, so that no header or value can raise before it. FastStream commits no offsets.
        """
        gathering, positions = options.pop("gathering", None), options.pop("positions", None)
        take, most = options.pop("take", None), options.pop("max_records", 400)
        subscriber: BatchSubscriber = super().subscriber(
            *[Topic(topic, declare=False) for topic in topics],
            batch=True,
            max_records=most,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            auto_offset_reset="none",
            fetch_max_bytes=_FETCH_BYTES,
            parser=_to_message,
            decoder=_to_records,
            **options,
        )
        subscriber.get_msg = _Fetcher(most, gathering or Gathering(), positions or Positions())  # type: ignore[method-assign]
        if take is not None:
            take(subscriber)
        return subscriber

    async def start(self) -> None:
        """Start all subscribers; retry until Kafka answers, or until `stop`."""
        self._starting = asyncio.current_task()
        try:
            await self._started(super().start, self._stop_subscribers, Outage("Kafka"))
        except asyncio.CancelledError:
            # FastStream starts in a task group that must not be cancelled as a whole: its shutdown runs in it.
            if not self.is_stopped:
                raise
        finally:
            self._starting = None

    async def _started(
        self, start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]], outage: Outage
    ) -> None:
        """Start, and after each failure stop; retry until Kafka answers, or until the broker is stopped."""
        async for _ in backoff():
            if self.is_stopped:
                return
            try:
                await with_timeout(_START_SECONDS, start())
            except (KafkaError, OSError, TimeoutError) as error:
                outage.began(error)
                await stop()
            except asyncio.CancelledError:
                # A consumer that nobody stops stays a member of its group.
                await stop()
                raise
            else:
                outage.ended()
                return

    async def stop(self, *error: Any) -> None:
        """Stop all subscribers for good, whatever their state and Kafka's."""
        self.is_stopped = True
        if (starting := self._starting) is not None and starting is not asyncio.current_task():
            starting.cancel()
            await asyncio.wait([starting], timeout=_STOP_SECONDS)
        await self._stop_subscribers()
        with suppress(TimeoutError):
            await with_timeout(_STOP_SECONDS, super().stop(*error))

    async def reopen(self, subscriber: Subscriber, outage: Outage) -> None:
        """Stop a subscriber and start it again; retry until Kafka answers, or until `stop`."""
        log.info("A subscriber has stopped reading; reopening it")
        await stop_subscriber(subscriber)
        await asyncio.sleep(1)
        await self._started(subscriber.start, partial(stop_subscriber, subscriber), outage)
        if self.is_stopped:
            await stop_subscriber(subscriber)

    async def _stop_subscribers(self) -> None:
        await asyncio.gather(*(stop_subscriber(subscriber) for subscriber in self.subscribers))


class RereadOnError(BaseMiddleware):
    """Reads a batch again whose handler failed. FastStream alone would swallow the error and skip the batch."""

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,  # noqa: ARG002  -- FastStream's signature
        exc_val: BaseException | None = None,
        exc_tb: Any = None,  # noqa: ARG002
    ) -> bool | None:
        subscriber = self.context.get_local("handler_")
        if isinstance(exc_val, Exception) and self.msg is not None and subscriber.consumer is not None:
            seek_back(subscriber, self.msg)
            await asyncio.sleep(_FAULT_SECONDS)
        return False


class ErrorTypeLogger:
    """FastStream's logger. It logs an error's type and line, never its text: that may quote a record (I10)."""

    def log(self, level: int, msg: Any, /, *_: Any, exc_info: Any = None, **__: Any) -> None:  # noqa: ARG002
        """Log the error `exc_info`; FastStream's other lines only repeat our own."""
        if isinstance(exc_info, BaseException):
            log.log(level, "FastStream reported an error", extra={"error": error_summary(exc_info)})


def security(access: KafkaAccess) -> BaseSecurity | None:
    """Return FastStream's security settings for this access; None for plain text without a login."""
    options = access.to("")
    context = options.get("ssl_context")
    if access.security_protocol.has_login:
        user, password = options["sasl_plain_username"], options["sasl_plain_password"]
        return _SASL[access.sasl_mechanism](user, password, ssl_context=context, use_ssl=context is not None)
    return BaseSecurity(ssl_context=context, use_ssl=True) if context is not None else None


class _Fetcher:
    """Fetches a subscriber's records, in place of FastStream's method.

    FastStream's sleeps as long again after each empty poll, and keeps a consumer whose fetch failed, though its
    position may be past records of one partition if another's batch cannot be read. Here such a subscriber ends, and is
    reopened at the offsets to continue from. So is one that gets no answer for a partition: after a broker's death a
    client may wait for ever, which otherwise looks like a partition without records.

    After a fetch that failed the records of the next polls are taken one by one: what fails takes none of another
    partition with it, and the others are read.
    """

    def __init__(self, max_records: int, gathering: Gathering, positions: Positions) -> None:
        self._max_records = max_records
        self._gathering = gathering
        self._positions = positions
        self._outage = Outage("Fetching from Kafka")
        self._answered: int | None = None
        self._unanswered_seconds = 0.0
        self._patience = _UNANSWERED_SECONDS
        self._careful_polls = 0
        self._fault: Exception | None = None

    async def __call__(self, consumer: AIOKafkaConsumer) -> tuple[Record, ...]:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            timeout_ms = int(self._gathering.before_poll(consumer, started) * 1000) + 1
            batches, is_full = await self._poll(consumer, timeout_ms)
            self._gathering.after_poll(consumer, batches, clock())
        except ConsumerStoppedError:
            raise
        except Exception as error:
            self._outage.began(error)
            self._careful_polls, self._fault = _CAREFUL_POLLS, None
            raise ConsumerStoppedError from None
        # By time across partitions: what follows from an event comes after it, also if it is of another topic.
        records = tuple(merge(*batches.values(), key=attrgetter("written")))
        if self._is_unanswered(consumer, clock() - started, is_full=is_full):
            log.warning("No answer from Kafka for a partition", extra={"seconds": self._patience})
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE_SECONDS)
            raise ConsumerStoppedError
        if records:
            self._outage.ended()
        return records

    async def _poll(
        self, consumer: AIOKafkaConsumer, timeout_ms: int
    ) -> tuple[dict[TopicPartition, list[Record]], bool]:
        """Return the next records by partition, from each its share in turn, and whether there may be more."""
        if self._fault is not None:
            raise self._fault
        batches: dict[TopicPartition, list[Record]] = {}
        room, octets, is_careful = self._max_records, 0, self._careful_polls > 0
        self._careful_polls -= is_careful
        while True:
            share = 1 if is_careful else min(_SHARE, room)
            at_once = bool(batches) or self._fault is not None
            try:
                more = await consumer.getmany(timeout_ms=0 if at_once else timeout_ms, max_records=share)
            except NoPosition as cause:
                for partition in await self._positions.set(consumer, cause):
                    batches.pop(partition, None)
                continue
            except Exception as fault:
                # It took no record with it, and the others' come next; the subscriber ends at the next poll.
                is_second, self._fault = self._fault is not None, fault
                if is_second or not is_careful:
                    break
                continue
            serve_last(consumer, more)
            for partition, records in more.items():
                batches.setdefault(partition, []).extend(records)
                room -= len(records)
                share -= len(records)
                octets += sum(map(octets_of, records))
            if share > 0 or room <= 0 or octets >= _FETCH_BYTES:
                break
        if self._fault is not None and not (is_careful and batches):
            raise self._fault
        return batches, share <= 0

    def _is_unanswered(self, consumer: AIOKafkaConsumer, seconds: float, is_full: bool) -> bool:
        """Return whether the partition that was answered least recently got no answer during the polls of `_patience`.

        A full batch proves nothing: the client sends no fetch while it still holds records.
        """
        answers = [consumer.last_poll_timestamp(partition) or 0 for partition in consumer.assignment()]
        least_recent = min(answers, default=None)
        if is_full or least_recent is None or least_recent != self._answered:
            if least_recent:
                self._patience = _UNANSWERED_SECONDS
            self._answered, self._unanswered_seconds = least_recent, 0.0
            return False
        self._unanswered_seconds += seconds
        if self._unanswered_seconds < self._patience:
            return False
        self._answered, self._unanswered_seconds = None, 0.0
        return True


def octets_of(record: Record) -> int:
    """Return the length of a record's value, beside which the rest is short."""
    return len(record.value or b"")


async def _to_message(records: tuple[Record, ...]) -> KafkaMessage:
    """Wrap records in a message without parsing them: FastStream's parser raises at a header that is not UTF-8."""
    return KafkaMessage(records, b"", consumer=None, correlation_id="-", message_id="-")  # type: ignore[arg-type]


async def _to_records(message: KafkaMessage) -> Any:
    return message.raw_message


def seek_back(subscriber: Subscriber, records: Sequence[Record]) -> None:
    """Seek a subscriber back to the first of these records in each partition."""
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    for partition, offset in first.items():
        # The new owner of a revoked partition starts at its committed offset.
        with suppress(IllegalStateError):
            subscriber.consumer.seek(partition, offset)


def is_stuck(subscriber: Subscriber, standstill: Standstill) -> bool:
    """Return whether a running subscriber's task, or its client's, has ended, and note where: the caller reopens it."""
    if (consumer := subscriber.consumer) is None or not subscriber.running:
        return False
    offsets = {each: position_of(consumer, each) for each in consumer.assignment()}
    if not all(task.done() for task in subscriber.tasks) and not is_broken(consumer):
        standstill.reads(offsets)
        return False
    # Of a partition that was never answered the end is not known.
    more = {each: at for each, at in offsets.items() if at is not None and at != consumer.highwater(each)}
    standstill.reopened(more)
    return True


async def stop_subscriber(subscriber: Subscriber) -> None:
    """Stop a subscriber within seconds: FastStream alone waits for ever while the broker is down."""
    for task in subscriber.tasks:
        task.cancel()
    consumer, subscriber.consumer = subscriber.consumer, None
    await subscriber.stop()
    if consumer is not None:
        await stop(consumer)

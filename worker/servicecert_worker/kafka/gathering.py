"""When many records come, they gather for a moment: a fetch, and a turn, cost the same for one record as for some.

Fetches then wait at the broker until some have gathered. Those of patient topics, which nobody waits for, gather
longer: their partitions are paused meanwhile. Few records come at once, and a backlog is read at full speed.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from .internals import position_of, set_fetch_wait


class Recent:
    """A sum over the last second. `now` is a monotonic clock in seconds."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def with_more(self, things: int, now: float) -> int:
        """Add so many things at `now`, and return how many happened in the second before, these included."""
        self._counts.append((now, things))
        self._sum += things
        while self._counts[0][0] < now - 1:
            self._sum -= self._counts.popleft()[1]
        return self._sum


POLL_SECONDS = 1.0
FETCH_SECONDS = 0.02
_FETCH_BYTES = 32 * 1024
"""A fetch is answered earlier with so many bytes."""
MANY = 100
"""So many records in a second, and fetches wait. With fewer, more fetches would come back empty."""
PATIENT_SECONDS = 0.2
MANY_PATIENT = 10
"""The same for records of patient topics."""


class Gathering:
    """Decides how long a consumer's fetches wait, and pauses `patient` topics once they are read to their end.

    A rebalance forgets the pause, which does no harm. `patient_seconds` is for tests.
    """

    def __init__(self, patient: Iterable[str] = (), patient_seconds: float = PATIENT_SECONDS) -> None:
        self._patient = frozenset(patient)
        self._patient_seconds = patient_seconds
        self._paused_until: float | None = None
        self._came, self._patient_came = Recent(), Recent()

    def before_poll(self, consumer: AIOKafkaConsumer, now: float) -> float:
        """Return how many seconds the next poll may last; end the pause when its time has come."""
        if self._paused_until is None:
            return POLL_SECONDS
        if now < self._paused_until:
            return min(POLL_SECONDS, self._paused_until - now)
        self._paused_until = None
        consumer.resume(*consumer.paused())
        return POLL_SECONDS

    def after_poll(
        self, consumer: AIOKafkaConsumer, batches: Mapping[TopicPartition, Sequence[Any]], now: float
    ) -> None:
        """Decide how long the next fetches wait; begin a pause if many records of patient topics came."""
        patient = sum(len(batch) for partition, batch in batches.items() if partition.topic in self._patient)
        is_busy = self._came.with_more(sum(map(len, batches.values())), now) >= MANY
        are_many = self._patient_came.with_more(patient, now) >= MANY_PATIENT
        if patient and self._paused_until is None and are_many:
            self._pause(consumer, now)
        if is_busy:
            set_fetch_wait(consumer, FETCH_SECONDS, _FETCH_BYTES)
        else:
            # A fetch without the paused partitions lasts no longer than the pause: the next one has them again.
            set_fetch_wait(consumer, None if self._paused_until is None else self._patient_seconds)

    def _pause(self, consumer: AIOKafkaConsumer, now: float) -> None:
        """Pause all or none, so that of two topics none gets ahead of the other."""
        patient = [partition for partition in consumer.assignment() if partition.topic in self._patient]
        if not any(is_behind(consumer, partition) for partition in patient):
            consumer.pause(*patient)
            self._paused_until = now + self._patient_seconds


def is_behind(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
    """Return whether a partition has more to fetch, as far as the consumer knows."""
    position, end = position_of(consumer, partition), consumer.highwater(partition)
    return position is not None and end is not None and position < end

"""The lag of consumer groups and the figures of the services' tables as metrics: read once, however many workers run.

Those of groups have the names that other exporters give them: existing dashboards show them. The labels `client_id`,
`consumer_id` and `member_host` of those exporters are left out: each rebalance would make new series.
"""

import importlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from time import time
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.table_locks import TableLock
from servicecert_worker.storage.figures import OF_EVERY_SERVICE, Figure, Samples

from ...admin.domain.lag_verdicts import Sample, Verdict, verdict
from ...admin.lag import Group, Look, PartitionLag
from ..process import gauge

Place = tuple[str, str, str]
"""A group, and a partition that it reads: topic and number."""

_NUMBERS = {Verdict.OK: 0, Verdict.BEHIND: 1, Verdict.STALLED: 2, Verdict.STOPPED: 3}
_AGE = "Age of the oldest record that is not handled."


class Groups(Collector):
    """The last look at the groups, and verdicts over a window of looks."""

    def __init__(self, cluster_name: str, window: int) -> None:
        self._cluster_name = cluster_name
        self._window = window
        self._samples: dict[Place, deque[Sample]] = {}
        self._look: Look | None = None
        self._at = 0.0
        self._seconds = 0.0

    @property
    def is_up(self) -> bool:
        return self._look is not None

    def take(self, look: Look, seconds: float) -> None:
        """Take a look that lasted this long."""
        kept = {}
        for place, lag in _lags(look).items():
            kept[place] = self._samples.get(place) or deque(maxlen=self._window)
            kept[place].append(Sample(lag.offset, lag.end, lag.member is not None))
        self._samples, self._look, self._at, self._seconds = kept, look, time(), seconds

    def lose(self) -> None:
        """Show no lag: the brokers do not answer, so that nobody knows it."""
        self._look = None

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        up = {(): float(self.is_up)}
        yield gauge("servicecert_kafka_up", "1 if the exporter's last look at Kafka succeeded.", (), up)
        if (look := self._look) is None:
            return
        out_of_sync = len(look.out_of_sync)
        for name, text, value in (
            ("servicecert_kafka_looked_timestamp_seconds", "When Kafka was last looked at.", self._at),
            ("servicecert_kafka_look_seconds", "How long the last look at Kafka took.", self._seconds),
            ("kafka_brokers", "Brokers that answer.", look.brokers),
            ("servicecert_partitions_out_of_sync", "Partitions of which a copy is missing or behind.", out_of_sync),
        ):
            yield gauge(name, text, (), {(): value})
        for name, text, offsets in (
            ("kafka_partition_latest_offset", "The offset after the newest record.", look.ends),
            ("kafka_partition_earliest_offset", "The offset of the oldest record that is kept.", look.first),
        ):
            by_partition = {(each.topic, str(each.partition)): offset for each, offset in offsets.items()}
            yield self._gauge(name, text, ("topic", "partition"), by_partition)
        lags, of_partition = _lags(look), ("group", "topic", "partition")
        for name, text, of_lag in _OF_PARTITIONS:
            yield self._gauge(name, text, of_partition, {place: of_lag(lag) for place, lag in lags.items()})
        yield self._gauge(
            "servicecert_group_verdict",
            "How the lag stands over the last looks: 0 ok, 1 behind (grows), 2 stalled (nothing is handled, though a "
            "member has the partition), 3 stopped (no member has it).",
            of_partition,
            {place: _NUMBERS[verdict(self._samples[place])] for place in lags},
        )
        for name, text, of_group in _OF_GROUPS:
            yield self._gauge(name, text, ("group",), {(each.name,): of_group(each) for each in look.groups})
        by_topic = Counter[tuple[str, str]]()
        for (group, topic, _), lag in lags.items():
            by_topic[group, topic] += lag.messages
        text = "Records not handled yet, by topic."
        yield self._gauge("kafka_consumergroup_group_topic_sum_lag", text, ("group", "topic"), by_topic)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...], samples: Mapping[Any, float | None]) -> Metric:
        named = {(self._cluster_name, *values): value for values, value in samples.items()}
        return gauge(name, text, ("cluster_name", *labels), named)


def _lags(look: Look) -> Mapping[Place, PartitionLag]:
    return {(group.name, lag.topic, str(lag.partition)): lag for group in look.groups for lag in group.lags}


_OF_PARTITIONS: tuple[tuple[str, str, Callable[[PartitionLag], float | None]], ...] = (
    ("kafka_consumergroup_group_offset", "The next record to handle.", lambda lag: lag.offset),
    ("kafka_consumergroup_group_lag", "Records not handled yet.", lambda lag: lag.messages),
    ("kafka_consumergroup_group_lag_seconds", _AGE, lambda lag: lag.seconds),
)
_OF_GROUPS: tuple[tuple[str, str, Callable[[Group], float]], ...] = (
    (
        "kafka_consumergroup_group_max_lag",
        "The most records that wait in a partition.",
        lambda group: max((each.messages for each in group.lags), default=0),
    ),
    (
        "kafka_consumergroup_group_max_lag_seconds",
        _AGE,
        lambda group: max((each.seconds or 0.0 for each in group.lags), default=0.0),
    ),
    (
        "kafka_consumergroup_group_sum_lag",
        "Records not handled yet.",
        lambda group: sum(each.messages for each in group.lags),
    ),
    ("kafka_consumergroup_members", "Running members of the group.", lambda group: len(group.members)),
    ("servicecert_group_partitions", "Partitions that the group must read.", lambda group: len(group.lags)),
    (
        "servicecert_group_assigned_partitions",
        "Those of them that a member reads.",
        lambda group: sum(each.member is not None for each in group.lags),
    ),
)


def figures() -> tuple[Figure, ...]:
    own = (importlib.import_module(f"servicecert_{service}.operator.figures").FIGURES for service in SERVICES)
    return (*OF_EVERY_SERVICE, *(figure for of_service in own for figure in of_service))


class Tables(Collector):
    """The last figures of each service's schema."""

    def __init__(self) -> None:
        self._figures = figures()
        self._samples: dict[str, Samples] = {}
        self._seconds: dict[str, float | None] = {}
        self._locks: dict[TableLock, float] = {}
        self._locks_at = 0.0

    def is_up(self, service: str) -> bool:
        return service in self._samples

    def take(self, service: str, samples: Samples, seconds: float | None) -> None:
        """Take the figures of a service, which were read in this time; None if a lock withholds some."""
        self._samples[service] = samples
        self._seconds[service] = seconds

    def take_locks(self, locks: Iterable[TableLock], now: float) -> None:
        """Take the locks that are held now, in seconds of a clock that only grows."""
        self._locks = {lock: self._locks.get(lock, now) for lock in locks}
        self._locks_at = now

    def lose(self, service: str) -> None:
        """Show nothing of a service's schema: it cannot be read."""
        self._samples.pop(service, None)
        self._seconds.pop(service, None)
        self._locks = {lock: since for lock, since in self._locks.items() if lock.service != service}

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        up = {(service,): float(self.is_up(service)) for service in SERVICES}
        yield gauge("servicecert_database_up", "1 if the service's tables could be read last.", ("service",), up)
        seconds = {(service,): value for service, value in self._seconds.items()}
        text = "How long the last reading of its figures took."
        yield gauge("servicecert_database_read_seconds", text, ("service",), seconds)
        yield gauge(
            "servicecert_table_locked_seconds",
            "How long the exporter has seen a lock on a table for which others wait, by who holds it; most last "
            "milliseconds.",
            ("service", "table", "pid", "user", "application"),
            {
                (lock.service, lock.table, str(lock.pid), lock.user, lock.application): self._locks_at - since
                for lock, since in self._locks.items()
            },
        )
        for figure in self._figures:
            found = [samples.get(figure.name, {}).items() for samples in self._samples.values()]
            yield gauge(figure.name, figure.text, figure.labels, dict(chain.from_iterable(found)))

"""The lag of consumer groups as metrics, by the names that other exporters have: existing dashboards show them.

The labels `client_id`, `consumer_id` and `member_host` of those exporters are left out: each rebalance would make new
series.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from time import time

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from servicecert_worker.domain.lag_verdicts import Sample, Verdict, verdict
from servicecert_worker.kafka.lag import Group, Look, PartitionLag

_NUMBERS = {Verdict.OK: 0, Verdict.BEHIND: 1, Verdict.STALLED: 2, Verdict.STOPPED: 3}


class Groups(Collector):
    """The last look at the groups, and verdicts over a window of looks."""

    def __init__(self, cluster_name: str, window: int) -> None:
        self._cluster_name = cluster_name
        self._window = window
        self._samples: dict[tuple[str, str, int], deque[Sample]] = {}
        self._look: Look | None = None
        self._at = 0.0
        self._seconds = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the last look succeeded."""
        return self._look is not None

    def take(self, look: Look, seconds: float) -> None:
        """Take a look that lasted this long."""
        kept = {}
        for group in look.groups:
            for lag in group.lags:
                samples = self._samples.get(place := _place(group, lag)) or deque(maxlen=self._window)
                samples.append(Sample(lag.offset, lag.end, lag.member is not None))
                kept[place] = samples
        self._samples, self._look, self._at, self._seconds = kept, look, time(), seconds

    def lose(self) -> None:
        """Show no lag: the brokers do not answer, so that nobody knows it."""
        self._look = None

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        up = GaugeMetricFamily("servicecert_kafka_up", "1 if the exporter's last look at Kafka succeeded.")
        up.add_metric([], float(self.is_up))
        yield up
        if self._look is None:
            return
        yield self._single("servicecert_kafka_looked_timestamp_seconds", "When Kafka was last looked at.", self._at)
        yield self._single("servicecert_kafka_look_seconds", "How long the last look at Kafka took.", self._seconds)
        yield self._single("kafka_brokers", "Brokers that answer.", self._look.brokers)
        yield self._single(
            "servicecert_partitions_out_of_sync",
            "Partitions of which a copy is missing or behind.",
            len(self._look.out_of_sync),
        )
        yield from self._partitions(self._look)
        yield from self._groups(self._look.groups)
        yield from self._sums(self._look.groups)

    def _single(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text)
        family.add_metric([], value)
        return family

    def _family(self, name: str, text: str, labels: Sequence[str]) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text, labels=("cluster_name", *labels))

    def _partitions(self, look: Look) -> Iterable[Metric]:
        for name, text, offsets in (
            ("kafka_partition_latest_offset", "The offset after the newest record.", look.ends),
            ("kafka_partition_earliest_offset", "The offset of the oldest record that is kept.", look.first),
        ):
            family = self._family(name, text, ("topic", "partition"))
            for each, offset in offsets.items():
                family.add_metric((self._cluster_name, each.topic, str(each.partition)), offset)
            yield family

    def _groups(self, groups: Sequence[Group]) -> Iterable[Metric]:
        """Yield what each partition of a group has."""
        labels = ("group", "topic", "partition")
        offset = self._family("kafka_consumergroup_group_offset", "The next record to handle.", labels)
        lag = self._family("kafka_consumergroup_group_lag", "Records not handled yet.", labels)
        seconds = self._family(
            "kafka_consumergroup_group_lag_seconds", "Age of the oldest record that is not handled.", labels
        )
        verdicts = self._family(
            "servicecert_group_verdict",
            "How the lag stands over the last looks: 0 ok, 1 behind (grows), 2 stalled (nothing is handled, though a "
            "member has the partition), 3 stopped (no member has it).",
            labels,
        )
        for group in groups:
            for each in group.lags:
                place = (self._cluster_name, group.name, each.topic, str(each.partition))
                offset.add_metric(place, each.offset)
                lag.add_metric(place, each.messages)
                if each.seconds is not None:
                    seconds.add_metric(place, each.seconds)
                verdicts.add_metric(place, _NUMBERS[verdict(self._samples[_place(group, each)])])
        yield from (offset, lag, seconds, verdicts)

    def _sums(self, groups: Sequence[Group]) -> Iterable[Metric]:
        """Yield what a group has as a whole."""
        most = self._family(
            "kafka_consumergroup_group_max_lag", "The most records that wait in a partition.", ("group",)
        )
        oldest = self._family(
            "kafka_consumergroup_group_max_lag_seconds", "Age of the oldest record that is not handled.", ("group",)
        )
        total = self._family("kafka_consumergroup_group_sum_lag", "Records not handled yet.", ("group",))
        by_topic = self._family(
            "kafka_consumergroup_group_topic_sum_lag", "Records not handled yet, by topic.", ("group", "topic")
        )
        members = self._family("kafka_consumergroup_members", "Running members of the group.", ("group",))
        owed = self._family("servicecert_group_partitions", "Partitions that the group must read.", ("group",))
        assigned = self._family(
            "servicecert_group_assigned_partitions", "Those of them that a member reads.", ("group",)
        )
        for group in groups:
            name = (self._cluster_name, group.name)
            most.add_metric(name, max((each.messages for each in group.lags), default=0))
            oldest.add_metric(name, max((each.seconds or 0.0 for each in group.lags), default=0.0))
            total.add_metric(name, sum(each.messages for each in group.lags))
            for topic in sorted({each.topic for each in group.lags}):
                waiting = sum(each.messages for each in group.lags if each.topic == topic)
                by_topic.add_metric((*name, topic), waiting)
            members.add_metric(name, len(group.members))
            owed.add_metric(name, len(group.lags))
            assigned.add_metric(name, sum(each.member is not None for each in group.lags))
        yield from (most, oldest, total, by_topic, members, owed, assigned)


def _place(group: Group, lag: PartitionLag) -> tuple[str, str, int]:
    return group.name, lag.topic, lag.partition

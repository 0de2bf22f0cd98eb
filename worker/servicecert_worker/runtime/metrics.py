"""A worker's Prometheus metrics: what is true of this process. Numbers of the tables are the exporter's (`figures`)."""

import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from servicecert_schemas.codec import versions_on
from servicecert_schemas.topics import CATALOGUE

from ..core.decider import Done, Event, Outcome
from ..core.decider import Gauge as ServiceGauge
from ..core.fold import Item, TurnResult
from ..core.record import Arrival
from ..core.signatures import UNTRUSTED
from ..kafka.follower import Follower
from ..kafka.positions import Positions, Standstill

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STAGES = (1, 5, 15, 30, _MINUTE, 5 * _MINUTE, _HOUR, 6 * _HOUR, 12 * _HOUR, *(n * _DAY for n in (1, 2, 3, 5, 7, 9)))
"""A revocation is to be published within a minute, and must be within 24 hours (D4); a certificate is to be delivered
within five weekdays, which are up to nine days (A13)."""
NO_TYPE = "none"
"""The type of a record that is no event."""


class Basics:
    """What every process shows: its version, its processor time, memory and files, and whether it works."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.build = Gauge(
            "servicecert_build_info",
            "1, with the versions of the program and of Python.",
            ["service", "version", "python"],
            registry=self.registry,
        )
        self.build.labels(service, version("servicecert"), platform.python_version()).set(1)
        self.ready = Gauge(
            "servicecert_ready",
            "1 while the process works and its parts answer.",
            ["service"],
            registry=self.registry,
        )
        self.clock_wrong = Gauge(
            "servicecert_clock_wrong",
            "1 while the process decides and signs nothing, because its clock differs from another.",
            ["service"],
            registry=self.registry,
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Followed(Collector):
    """How far a process has read the topics that it follows without a consumer group: nothing before `of` is set.

    And where it cannot read on, or what was deleted before it was read, also in its group.
    """

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.of: Follower | None = None
        self.standstills: Sequence[Standstill] = ()
        self.positions: Sequence[Positions] = ()
        self._service = service
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        skipped = CounterMetricFamily(
            "servicecert_skipped_records",
            "Records of followed topics that are no events, or whose actors may not cause them, by topic and reason.",
            labels=["service", "topic", "reason"],
        )
        offset = GaugeMetricFamily(
            "servicecert_followed_offset",
            "The next record that this process reads of a topic that it follows; see kafka_partition_latest_offset.",
            labels=["service", "topic", "partition"],
        )
        newest = GaugeMetricFamily(
            "servicecert_followed_newest_timestamp_seconds",
            "When the newest record was written that this process has read of a topic that it follows.",
            labels=["service", "topic"],
        )
        stalled = GaugeMetricFamily(
            "servicecert_stalled_offset",
            "The next record of a partition that this process cannot read; none while it reads all.",
            labels=["service", "topic", "partition"],
        )
        for standstill in self.standstills:
            for (topic, number), stalled_at in standstill.offsets.items():
                stalled.add_metric([self._service, topic, str(number)], stalled_at)
        lost = CounterMetricFamily(
            "servicecert_lost_records",
            "Records that were deleted from a topic before this process read them.",
            labels=["service", "topic"],
        )
        for positions in self.positions:
            for topic, records in positions.lost.items():
                lost.add_metric([self._service, topic], records)
        if self.of is not None:
            for (topic, reason), records in self.of.skipped.items():
                skipped.add_metric([self._service, topic, reason], records)
            for partition, next_offset in self.of.offsets.items():
                offset.add_metric([self._service, partition.topic, str(partition.partition)], next_offset)
            for topic, written in self.of.newest.items():
                newest.add_metric([self._service, topic], written)
        yield from (skipped, offset, newest, stalled, lost)


class Metrics(Basics):
    """The metrics of one worker, in a registry of their own. `topics` are the full names of those that it reads.

    What is counted begins at 0: an increase from nothing would not be seen.
    """

    def __init__(self, service: str, gauges: Sequence[ServiceGauge] = (), topics: Sequence[str] = ()) -> None:
        super().__init__(service)
        self._service = service
        self.followed = Followed(service, self.registry)
        self.events = Counter(
            "servicecert_events",
            "Records by type of event and outcome: handled, duplicate, parked.",
            ["service", "topic", "type", "outcome"],
            registry=self.registry,
        )
        self.age = Histogram(
            "servicecert_event_age_seconds",
            "From the timestamp of a record to the commit of its effect, by type of event.",
            ["service", "type"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.turn = Histogram(
            "servicecert_turn_seconds",
            "The duration of turns.",
            ["service"],
            buckets=_SECONDS[:12],
            registry=self.registry,
        )
        self.acts = Counter(
            "servicecert_acts",
            "Attempts at acts on the world, by kind of intent and outcome: done, retried.",
            ["service", "kind", "outcome"],
            registry=self.registry,
        )
        self.act = Histogram(
            "servicecert_act_seconds",
            "The duration of a batch of acts on the world, by kind of intent.",
            ["service", "kind"],
            buckets=_SECONDS[:13],
            registry=self.registry,
        )
        self.stage = Histogram(
            "servicecert_stage_seconds",
            "From a case's submission until it was accepted, issued, delivered; from a request to its revocation.",
            ["stage"],
            buckets=_STAGES,
            registry=self.registry,
        )
        self.published = Counter(
            "servicecert_published",
            "Events that committed turns have decided, by type: the relay publishes them soon after.",
            ["service", "type"],
            registry=self.registry,
        )
        self.partitions = Gauge(
            "servicecert_assigned_partitions", "Partitions read by this worker.", ["group"], registry=self.registry
        )
        self.late_results = Counter(
            "servicecert_belated_results",
            "Late results of intents that contradict the recorded result, by code.",
            ["service", "code"],
            registry=self.registry,
        )
        self.untrusted = Counter(
            "servicecert_untrusted_records",
            "Records that none of the services that may write them has signed, by topic: parked, and never acted on.",
            ["service", "topic"],
            registry=self.registry,
        )
        self.spans_dropped = Counter(
            "servicecert_spans_dropped",
            "Spans that no collector took: the queue was full, or the export failed.",
            ["service"],
            registry=self.registry,
        )
        self.stuck = Gauge(
            "servicecert_stuck",
            "Results and deadlines that cannot be decided now; each is retried every 10 s.",
            ["service"],
            registry=self.registry,
        )
        self.clock_ahead = Gauge(
            "servicecert_clock_ahead_seconds",
            "How far the worker's clock is set ahead of the machine's: never in production.",
            ["service"],
            registry=self.registry,
        )
        for topic in CATALOGUE:
            for event in versions_on(topic) if service in topic.writers else ():
                self.published.labels(service, event.TYPE)
        for name in topics:
            self.untrusted.labels(service, name)
        self._own = Own(gauges)
        self.registry.register(self._own)

    async def read_own(self) -> None:
        """Read the service's own metrics; omit one that cannot be read."""
        await self._own.read()

    def count(self, result: TurnResult, items: Sequence[Item], now: datetime, seconds: float) -> None:
        """Count a committed turn."""
        self.turn.labels(self._service).observe(seconds)
        for type in result.published:
            self.published.labels(self._service, type).inc()
        for stage, age in result.stages:
            self.stage.labels(stage).observe(age)
        for late in result.late_results:
            self.late_results.labels(self._service, late.code).inc()
        for each in result.parked:
            if each.reason in UNTRUSTED:
                self.untrusted.labels(self._service, each.arrival.record.topic).inc()
        parked = {each.arrival.id for each in result.parked}
        for item in items:
            if isinstance(item, Arrival):
                outcome = "parked" if item.id in parked else "duplicate" if item.id in result.repeated else "handled"
                type = item.what.data.TYPE if isinstance(item.what, Event) else NO_TYPE
                self.events.labels(self._service, item.record.topic, type, outcome).inc()
                if outcome == "handled":
                    age = max(0.0, (now - item.record.written).total_seconds())
                    self.age.labels(self._service, type).observe(age)

    def count_acts(self, kind: str, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Count a batch of acts on the world."""
        done = sum(isinstance(outcome, Done) for outcome in outcomes)
        self.acts.labels(self._service, kind, "done").inc(done)
        self.acts.labels(self._service, kind, "retried").inc(len(outcomes) - done)
        self.act.labels(self._service, kind).observe(seconds)


class Own(Collector):
    """A service's own metrics of a process, as a collector: what `read` found last."""

    def __init__(self, gauges: Sequence[ServiceGauge]) -> None:
        self._families = {gauge: _family(gauge) for gauge in gauges}

    async def read(self) -> None:
        """Read all; one that cannot be read has no samples."""
        for gauge in self._families:
            family = _family(gauge)
            with suppress(Exception):
                for label, value in (await gauge.read()).items():
                    family.add_metric([label] if isinstance(label, str) else list(label), value)
            self._families[gauge] = family

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()


def _family(gauge: ServiceGauge) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if gauge.counts else GaugeMetricFamily
    return kind(gauge.name, gauge.text, labels=gauge.labels)

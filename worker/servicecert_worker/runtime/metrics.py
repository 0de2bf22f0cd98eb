"""A worker's Prometheus metrics: what is true of this process. Numbers of the tables are the exporter's (`figures`)."""

import logging
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from servicecert_schemas.codec import versions_on
from servicecert_schemas.topics import CATALOGUE

from ..core.decider import Done, Event, Outcome
from ..core.decider import Gauge as ServiceGauge
from ..core.faults import error_summary, is_transient
from ..core.fold import Item, TurnResult
from ..core.record import Arrival
from ..core.signatures import UNTRUSTED
from ..kafka.follower import Follower
from ..kafka.source import Source

log = logging.getLogger(__name__)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STAGES = (1, 5, 15, 30, _MINUTE, 5 * _MINUTE, _HOUR, 6 * _HOUR, 12 * _HOUR, *(n * _DAY for n in (1, 2, 3, 5, 7, 9)))
"""A revocation is to be published within a minute, and must be within 24 hours (D4); a certificate is to be delivered
within five weekdays, which are up to nine days (A13)."""
NO_TYPE = "none"
"""The type of a record that is no event."""
Samples: TypeAlias = Iterable[tuple[Any, float]]
"""Values, each after that of the one label, or those of several."""


def family(name: str, text: str, labels: Sequence[str], samples: Samples, *, counts: bool = False) -> Metric:
    """Return a metric with its samples; a counter, whose name `_total` follows, where it `counts`."""
    made = (CounterMetricFamily if counts else GaugeMetricFamily)(name, text, labels=labels)
    for of, value in samples:
        made.add_metric([*map(str, of)] if isinstance(of, tuple) else [str(of)], value)
    return made


class Basics:
    """What every process shows: its version, its processor time, memory and files, and whether it works."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.build = self._gauge(
            "servicecert_build_info", "1, with the versions of the program and of Python.", "version", "python"
        )
        self.build.labels(service, version("servicecert"), platform.python_version()).set(1)
        self.ready = self._gauge("servicecert_ready", "1 while the process works and its parts answer.")
        self.clock_wrong = self._gauge(
            "servicecert_clock_wrong",
            "1 while the process decides and signs nothing, because its clock differs from another.",
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, ["service", *labels], registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Followed(Collector):
    """How far a process has read the topics that it follows without a consumer group: nothing before `of` is set.

    And where one of its `readers` cannot read on, or what was deleted before it was read, also in its group.
    """

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.of: Follower | None = None
        self.readers: Sequence[Follower | Source] = ()
        self._service = service
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        of = self.of
        yield self._family(
            "servicecert_skipped_records",
            "Records of followed topics that are no events, or whose actors may not cause them, by topic and reason.",
            ("topic", "reason"),
            () if of is None else of.skipped.items(),
            counts=True,
        )
        yield self._family(
            "servicecert_followed_offset",
            "The next record that this process reads of a topic that it follows; see kafka_partition_latest_offset.",
            ("topic", "partition"),
            () if of is None else of.offsets.items(),
        )
        yield self._family(
            "servicecert_followed_newest_timestamp_seconds",
            "When the newest record was written that this process has read of a topic that it follows.",
            ("topic",),
            () if of is None else (((topic,), written) for topic, written in of.newest.items()),
        )
        yield self._family(
            "servicecert_stalled_offset",
            "The next record of a partition that this process cannot read; none while it reads all.",
            ("topic", "partition"),
            (stalled for each in self.readers for stalled in each.standstill.offsets.items()),
        )
        yield self._family(
            "servicecert_lost_records",
            "Records that were deleted from a topic before this process read them.",
            ("topic",),
            (((topic,), count) for each in self.readers for topic, count in each.positions.lost.items()),
            counts=True,
        )

    def _family(self, name: str, text: str, labels: Sequence[str], samples: Samples, *, counts: bool = False) -> Metric:
        own = (((self._service, *values), value) for values, value in samples)
        return family(name, text, ("service", *labels), own, counts=counts)


class Metrics(Basics):
    """The metrics of one worker, in a registry of their own. `topics` are the full names of those that it reads.

    What is counted begins at 0: an increase from nothing would not be seen.
    """

    def __init__(self, service: str, gauges: Sequence[ServiceGauge] = (), topics: Sequence[str] = ()) -> None:
        super().__init__(service)
        self._service = service
        self.followed = Followed(service, self.registry)
        self.events = self._counter(
            "servicecert_events",
            "Records by type of event and outcome: handled, duplicate, parked.",
            "topic",
            "type",
            "outcome",
        )
        self.age = self._seconds(
            "servicecert_event_age_seconds",
            "From the timestamp of a record to the commit of its effect, by type of event.",
            ("service", "type"),
            _SECONDS,
        )
        self.turn = self._seconds("servicecert_turn_seconds", "The duration of turns.", ("service",), _SECONDS[:12])
        self.acts = self._counter(
            "servicecert_acts",
            "Attempts at acts on the world, by kind of intent and outcome: done, retried.",
            "kind",
            "outcome",
        )
        self.act = self._seconds(
            "servicecert_act_seconds",
            "The duration of a batch of acts on the world, by kind of intent.",
            ("service", "kind"),
            _SECONDS[:13],
        )
        self.stage = self._seconds(
            "servicecert_stage_seconds",
            "From a case's submission until it was accepted, issued, delivered; from a request to its revocation.",
            ("stage",),
            _STAGES,
        )
        self.published = self._counter(
            "servicecert_published",
            "Events that committed turns have decided, by type: the relay publishes them soon after.",
            "type",
        )
        self.partitions = Gauge(
            "servicecert_assigned_partitions", "Partitions read by this worker.", ["group"], registry=self.registry
        )
        self.late_results = self._counter(
            "servicecert_belated_results",
            "Late results of intents that contradict the recorded result, by code.",
            "code",
        )
        self.untrusted = self._counter(
            "servicecert_untrusted_records",
            "Records that none of the services that may write them has signed, by topic: parked, and never acted on.",
            "topic",
        )
        self.spans_dropped = self._counter(
            "servicecert_spans_dropped", "Spans that no collector took: the queue was full, or the export failed."
        )
        self.stuck = self._gauge(
            "servicecert_stuck", "Results and deadlines that cannot be decided now; each is retried every 10 s."
        )
        self.clock_ahead = self._gauge(
            "servicecert_clock_ahead_seconds",
            "How far the worker's clock is set ahead of the machine's: never in production.",
        )
        for topic in CATALOGUE:
            for event in versions_on(topic) if service in topic.writers else ():
                self.published.labels(service, event.TYPE)
        for name in topics:
            self.untrusted.labels(service, name)
        self.own = Own(gauges)
        self.registry.register(self.own)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ["service", *labels], registry=self.registry)

    def _seconds(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

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
        self._samples: dict[ServiceGauge, Mapping[Any, float]] = {gauge: {} for gauge in gauges}

    async def read(self) -> None:
        """Read all; one that cannot be read has no samples."""
        for gauge in self._samples:
            self._samples[gauge] = {}
            try:
                self._samples[gauge] = dict(gauge.read) if isinstance(gauge.read, Mapping) else await gauge.read()
            except Exception as error:
                if not is_transient(error):
                    log.warning("A metric cannot be read: %s", gauge.name, extra={"error": error_summary(error)})

    def collect(self) -> Iterator[Metric]:
        for gauge, samples in self._samples.items():
            yield family(gauge.name, gauge.text, gauge.labels, samples.items(), counts=gauge.counts)

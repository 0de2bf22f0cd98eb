"""A worker's Prometheus metrics."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..decider import Gauge as ServiceGauge
from ..runtime.fold import Item
from ..runtime.record import Arrival
from ..runtime.turn import TurnResult
from ..signatures import UNTRUSTED

_AGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

SKIPPED = (
    "servicecert_skipped_records",
    "Records of followed topics that are no events, by topic and reason, since the start.",
    ["service", "topic", "reason"],
)
"""The metric of every process that follows topics."""


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self, service: str, gauges: Sequence[ServiceGauge] = ()) -> None:
        self.registry = CollectorRegistry()
        self._service = service
        self.events = Counter(
            "servicecert_events",
            "Records by outcome: handled, duplicate, parked.",
            ["service", "topic", "outcome"],
            registry=self.registry,
        )
        self.age = Histogram(
            "servicecert_event_age_seconds",
            "From the timestamp of a record to the commit of its effect.",
            ["service"],
            buckets=_AGE_BUCKETS,
            registry=self.registry,
        )
        self.turn = Histogram(
            "servicecert_turn_seconds",
            "The duration of turns.",
            ["service"],
            buckets=_AGE_BUCKETS[:12],
            registry=self.registry,
        )
        self.published = Counter(
            "servicecert_published",
            "Events that committed turns have decided, by type: the relay publishes them soon after.",
            ["service", "type"],
            registry=self.registry,
        )
        self.lag = Gauge(
            "servicecert_consumer_lag_messages",
            "Records not handled yet.",
            ["group", "topic", "partition"],
            registry=self.registry,
        )
        self.lag_seconds = Gauge(
            "servicecert_consumer_lag_seconds",
            "Age of the oldest record that is read and not handled yet.",
            ["group", "topic", "partition"],
            registry=self.registry,
        )
        self.partitions = Gauge(
            "servicecert_assigned_partitions", "Partitions read by this worker.", ["group"], registry=self.registry
        )
        self.backlog = Gauge(
            "servicecert_backlog",
            "What is open in the service's tables: outbox, intents, parked, culprits, unkept, overdue deadlines.",
            ["service", "kind"],
            registry=self.registry,
        )
        self.backlog_age = Gauge(
            "servicecert_backlog_age_seconds",
            "Age of the oldest row of the outbox and of the intents.",
            ["service", "kind"],
            registry=self.registry,
        )
        self.unattested = Gauge(
            "servicecert_audit_unattested_seconds",
            "Age of the oldest audit row that no signed checkpoint covers.",
            ["service"],
            registry=self.registry,
        )
        self.late_results = Counter(
            "servicecert_belated_results",
            "Late results of intents that contradict the recorded result, by code.",
            ["service", "code"],
            registry=self.registry,
        )
        self.skipped = Gauge(*SKIPPED, registry=self.registry)
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
        self.ready = Gauge(
            "servicecert_ready",
            "1 while the worker takes turns and its parts answer.",
            ["service"],
            registry=self.registry,
        )
        self._own = [(each, Gauge(each.name, each.text, each.labels, registry=self.registry)) for each in gauges]

    async def read_own(self) -> None:
        """Read the service's own metrics; omit one that cannot be read."""
        for definition, gauge in self._own:
            gauge.clear()
            with suppress(Exception):
                for label, value in (await definition.read()).items():
                    gauge.labels(*((label,) if isinstance(label, str) else label)).set(value)

    def count(self, result: TurnResult, items: Sequence[Item], now: datetime, seconds: float) -> None:
        """Count a committed turn."""
        self.turn.labels(self._service).observe(seconds)
        for type in result.published:
            self.published.labels(self._service, type).inc()
        for late in result.late_results:
            self.late_results.labels(self._service, late.code).inc()
        for each in result.parked:
            if each.reason in UNTRUSTED:
                self.untrusted.labels(self._service, each.arrival.record.topic).inc()
        parked = {each.arrival.id for each in result.parked}
        age = self.age.labels(self._service)
        for item in items:
            if isinstance(item, Arrival):
                outcome = "parked" if item.id in parked else "duplicate" if item.id in result.repeated else "handled"
                self.events.labels(self._service, item.record.topic, outcome).inc()
                if outcome == "handled":
                    age.observe(max(0.0, (now - item.record.written).total_seconds()))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

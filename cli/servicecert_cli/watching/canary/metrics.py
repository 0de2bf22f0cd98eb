"""The canary's metrics for Prometheus."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..process import gauge
from .domain.stages import Stage, Step


class Metrics(Collector):
    """They say nothing of a success, or of a stage that failed, before there was one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter(
            "servicecert_canary_runs", "Runs, by outcome: succeeded, failed.", ["outcome"], registry=registry
        )
        self._stage_seconds = Histogram(
            "servicecert_canary_stage_seconds",
            "The duration of each stage that was passed.",
            ["stage"],
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
            registry=registry,
        )
        for outcome in ("succeeded", "failed"):
            self._runs.labels(outcome)
        self._last: Step | None = None
        self._succeeded: float | None = None
        registry.register(self)

    def count(self, step: Step) -> None:
        if step.passed:
            self._stage_seconds.labels(step.stage).observe(step.seconds)

    def ended(self, last: Step, now: datetime) -> None:
        self._runs.labels("succeeded" if last.passed else "failed").inc()
        self._last = last
        if last.passed:
            self._succeeded = now.timestamp()

    def collect(self) -> Iterator[Metric]:
        """Yield where the last run failed, and when the last one succeeded."""
        last = self._last
        failed = {} if last is None else {(it,): float(it is last.stage and not last.passed) for it in Stage}
        text = "1 for the stage at which the last run stopped, 0 for the others."
        yield gauge("servicecert_canary_failed_stage", text, ("stage",), failed)
        yield gauge(
            "servicecert_canary_last_success_timestamp_seconds",
            "When the last run passed all stages, in seconds since 1970. None before the process's first.",
            (),
            {(): self._succeeded},
        )

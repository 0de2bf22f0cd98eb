"""The canary's metrics for Prometheus."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from servicecert_worker.runtime.metrics import Basics

from .domain.stages import Outcome, Stage, Step


class Metrics(Basics, Collector):
    """They say nothing of a success, or of a stage that failed, before there was one."""

    def __init__(self) -> None:
        super().__init__("canary")
        self.runs = Counter(
            "servicecert_canary_runs", "Runs, by outcome: succeeded, failed.", ["outcome"], registry=self.registry
        )
        self.stage_seconds = Histogram(
            "servicecert_canary_stage_seconds",
            "The duration of each stage that was passed.",
            ["stage"],
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
            registry=self.registry,
        )
        self.failed_stage = Gauge(
            "servicecert_canary_failed_stage",
            "1 for the stage at which the last run stopped, 0 for the others.",
            ["stage"],
            registry=self.registry,
        )
        for outcome in ("succeeded", "failed"):
            self.runs.labels(outcome)
        self._succeeded: datetime | None = None
        self.registry.register(self)

    def count(self, step: Step) -> None:
        """Count a stage that a run has passed."""
        if step.passed:
            self.stage_seconds.labels(step.stage.value).observe(step.seconds)

    def ended(self, outcome: Outcome, now: datetime) -> None:
        """Count a run that has ended."""
        failed = outcome.failed
        self.runs.labels("succeeded" if failed is None else "failed").inc()
        for stage in Stage:
            self.failed_stage.labels(stage.value).set(failed is not None and failed.stage is stage)
        if failed is None:
            self._succeeded = now

    def collect(self) -> Iterator[Metric]:
        """Yield when the last run succeeded."""
        success = GaugeMetricFamily(
            "servicecert_canary_last_success_timestamp_seconds",
            "When the last run passed all stages, in seconds since 1970. None before the process's first.",
        )
        if self._succeeded is not None:
            success.add_metric([], self._succeeded.timestamp())
        yield success

"""A process's metrics, from Prometheus' text format."""

from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Samples = Mapping[str, float]
"""Metrics by `name` or `name:kind`, summed over all other labels."""


def summed(text: str) -> Samples:
    """Return samples by name and, if present, the label `outcome` or `kind`: sums."""
    samples: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            kind = sample.labels.get("outcome") or sample.labels.get("kind")
            samples[f"{sample.name}:{kind}" if kind else sample.name] += sample.value
    return samples


def by_service(text: str, prefix: str) -> Mapping[str, Samples]:
    """Return the exporter's samples by service and name: sums over all other labels. `prefix` is before each group."""
    samples: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            service = sample.labels.get("service") or sample.labels.get("group", "").removeprefix(prefix)
            samples[service][sample.name] += sample.value
    return samples

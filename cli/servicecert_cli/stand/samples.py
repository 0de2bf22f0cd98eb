"""A worker's metrics, from Prometheus' text format."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Samples = Mapping[str, float]
"""Metrics by `name` or `name:kind`, summed over all other labels."""


def summed(text: str) -> Samples:
    """Return samples by name and, if present, the label `outcome` or `kind`: sums, but the maximum of ages."""
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            kind = sample.labels.get("outcome") or sample.labels.get("kind")
            key = f"{sample.name}:{kind}" if kind else sample.name
            before = samples.get(key, 0.0)
            samples[key] = max(before, sample.value) if key.endswith("_lag_seconds") else before + sample.value
    return samples

"""A worker's numbers, as Prometheus reads them."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Samples = Mapping[str, float]
"""A worker's numbers, summed over their labels' values of no interest: `name{label="value",…}` to value."""


def summed(text: str) -> Samples:
    """Prometheus' text format by sample name and, where there is one, the label `outcome` or `kind`: sums, but of ages the highest."""
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            kind = sample.labels.get("outcome") or sample.labels.get("kind")
            key = f"{sample.name}:{kind}" if kind else sample.name
            before = samples.get(key, 0.0)
            samples[key] = max(before, sample.value) if key.endswith("_lag_seconds") else before + sample.value
    return samples

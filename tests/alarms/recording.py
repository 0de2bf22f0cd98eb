"""What Prometheus saw of a fault, as a case of `promtool test rules`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from alarms import rules
from alarms.faults import Fault
from alarms.prometheus import Prometheus, Series


def write_case(
    prometheus: Prometheus, step: int, start: float, firing: Mapping[float, Sequence[str]], path: Path
) -> None:
    """Write the recording from `start` on, a sample each `step` seconds: which alerts fire at which moment."""
    begin = math.floor(start / step) * step
    series = recorded_series(prometheus, begin, max(firing), step)
    moments = {math.floor((at - begin) / step) * step: names for at, names in firing.items()}
    path.parent.mkdir(exist_ok=True)
    path.write_text(case_text(series, begin, step, moments))


def file_name(fault: Fault) -> str:
    """Return the name of a fault's recording, without its suffix."""
    return fault.name.lower().replace(" ", "-")


def recorded_series(prometheus: Prometheus, start: float, end: float, step: int) -> list[Series]:
    """Return what the alerts depend on, a sample each `step` seconds."""
    followed = "servicecert_followed_offset"
    return [
        series
        for name in sorted(rules.metrics())
        for series in prometheus.range(
            # Of topics that nobody follows, no alert asks for the end.
            f"{name} and on (topic, partition) {followed}" if name == "kafka_partition_latest_offset" else name,
            start,
            end,
            step,
        )
    ]


def case_text(series: Sequence[Series], begin: float, step: int, firing: Mapping[float, Sequence[str]]) -> str:
    """Return the case: which alerts fire at which second after `begin`, and no others."""
    lines = [
        "rule_files: [../../../deploy/prometheus/recording.yml, ../../../deploy/prometheus/alerts.yml]",
        f"evaluation_interval: {step}s",
        "tests:",
        f"  - interval: {step}s",
        "    input_series:",
    ]
    for each in series:
        lines.append(f"      - series: '{selector(each.labels)}'")
        lines.append(f"        values: '{notation(_as_replayed(each, begin), begin, step)}'")
    lines.append("    promql_expr_test:")
    for at, names in firing.items():
        lines.append("""      - expr: 'count by (alertname) (ALERTS{alertstate="firing"}) * 0 + 1'""")
        lines.append(f"        eval_time: {at:.0f}s")
        samples = ", ".join(f"""{{labels: '{{alertname="{name}"}}', value: 1}}""" for name in names)
        lines.append(f"        exp_samples: [{samples}]")
    return "\n".join(lines) + "\n"


def _as_replayed(series: Series, begin: float) -> Sequence[tuple[float, float]]:
    """Return the samples of a series; moments among them count from `begin`, since promtool's clock begins at 0."""
    if not series.labels["__name__"].endswith(("_timestamp_seconds", "_start_time_seconds")):
        return series.samples
    return [(at, value - begin) for at, value in series.samples]


def selector(labels: Mapping[str, str]) -> str:
    """Return a series as PromQL writes it."""
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels['__name__']}{{{inside}}}"


def notation(samples: Sequence[tuple[float, float]], begin: float, step: int) -> str:
    """Return samples in promtool's notation, equal ones and steady steps together; a gap begins with `stale`."""
    values: list[str] = []
    at = begin
    for moment, value in samples:
        gap = round((moment - at) / step)
        if gap > 0:
            values += (["stale"] if values else []) + ["_"] * (gap - (1 if values else 0))
        values.append(_number(value))
        at = moment + step
    return _together(values)


def _together(values: Sequence[str]) -> str:
    parts: list[str] = []
    place = 0
    while place < len(values):
        run = place
        while run + 1 < len(values) and values[run + 1] == values[place]:
            run += 1
        length = run - place + 1
        if values[place] == "_":
            parts.append("_" if length == 1 else f"_x{length}")
        elif length > 1 and re.fullmatch(r"-?[\d.e+-]+", values[place]):
            parts.append(f"{values[place]}x{length - 1}")
        else:
            parts += [values[place]] * length
        place = run + 1
    return " ".join(parts)


def _number(value: float) -> str:
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"

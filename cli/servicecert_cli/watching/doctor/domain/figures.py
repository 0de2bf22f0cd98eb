"""Conditions of figures that the exporter shows: what Prometheus asks them for, asked of samples."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.samples import Sample

from ....faults import listed
from ...conditions import Condition
from .check import Finding, fault, ok, period

_FIGURE = re.compile(r'(?:(max|min|sum)(?: by \((.+?)\) )?\()?(\w+)(?:\{(\w+)="([^"]*)"\})?\)?')
_TOTALS: Mapping[str, Callable[[Sequence[float]], float]] = {"": max, "max": max, "min": min, "sum": sum}


class _Figure(float):
    """A number as people read it, by the unit in which a condition shows it."""

    def __format__(self, unit: str) -> str:
        return period(self) if unit == "period" else f"{float(self):.0%}" if unit == "share" else f"{float(self):g}"


def metric(condition: Condition) -> str | None:
    """Return the metric of which a condition compares values, None if it compares something else."""
    try:
        found = _FIGURE.fullmatch(condition.figure)
    except ValueError:
        return None
    return found and found[3]


def check_figure(condition: Condition, samples: Iterable[Sample]) -> Finding:
    return check_values(condition, _values(condition.figure, samples))


def check_values(condition: Condition, values: Sequence[tuple[Mapping[str, str], float]]) -> Finding:
    """Judge values of a condition's figure, each with its labels."""
    wrong = [(labels, _Figure(value)) for labels, value in values if condition.is_wrong(value)]
    if wrong:
        texts = [condition.says.format(value=value, **labels) for labels, value in wrong]
        remedies = dict.fromkeys(condition.remedy.format(**labels) for labels, _ in wrong)
        return fault(listed(texts, " "), " ".join(remedies))
    unit = re.search(r"\{value:(\w+)\}", condition.says)
    if not values or unit is None or condition.well:
        return ok(condition.well or "There is nothing to measure.")
    # The one that is next to the limit.
    near = min((value for _, value in values), key=lambda value: abs(value - condition.limit))
    return ok(f"It is {_Figure(near):{unit[1]}}; the limit is {_Figure(condition.limit):{unit[1]}}.")


def _values(figure: str, samples: Iterable[Sample]) -> Sequence[tuple[Mapping[str, str], float]]:
    """Return the values of a figure, each with the labels that it keeps."""
    found = _FIGURE.fullmatch(figure)
    assert found is not None
    total, by, name, label, wanted = found.groups(default="")
    kept = by.split(", ") if by else []
    values: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
    for each in samples:
        if each.name == name and (not label or each.labels.get(label) == wanted):
            labels = {key: each.labels[key] for key in kept} if total else each.labels
            values[tuple(labels.items())].append(each.value)
    return [(dict(labels), _TOTALS[total](each)) for labels, each in values.items()]

"""Units of panels: Grafana's name of each, the label of its axis, and how a value is written."""

from collections.abc import Sequence
from enum import Enum
from math import ceil, floor, log2, log10

_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"), (0.000_001, "µs"))
_TIME_STEPS = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 30)),
    *(3_600.0 * hours for hours in (1, 2, 6, 12)),
    *(86_400.0 * days for days in (1, 2, 7, 10, 30, 90, 365)),
)
_COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


class Unit(Enum):
    """A unit: its name in Grafana, and its axis' label unless the panel has its own."""

    COUNT = ("short", "")
    SECONDS = ("s", "duration")
    SHARE = ("percentunit", "share")
    BYTES = ("bytes", "memory")
    EVENTS = ("eps", "events/s")
    ACTS = ("ops", "acts/s")
    RECORDS = ("recps", "records/s")
    REQUESTS = ("reqps", "requests/s")
    PROCESSORS = ("none", "processors")

    def __init__(self, grafana: str, axis: str) -> None:
        self.grafana = grafana
        self.axis = axis

    def text(self, value: float) -> str:
        """Return a value as a person reads it: `1.5 min`, `99.2 %`, `12 MiB`, `3 events/s`."""
        match self:
            case Unit.SECONDS:
                return _scaled(value, _TIMES)
            case Unit.BYTES:
                return _scaled(value, _BYTES)
            case Unit.SHARE:
                return f"{_short(100 * value)} %"
            case Unit.COUNT | Unit.PROCESSORS:
                return _scaled(value, _COUNTS)
            case _:
                return f"{_short(value)} {self.axis}"

    def step(self, most: float) -> float:
        """Return a round distance of some four marks between 0 and `most`, which is positive."""
        least = most / 5
        if self is Unit.BYTES:
            return float(2 ** ceil(log2(least)))
        if self is Unit.SECONDS and least >= _TIME_STEPS[0]:
            return next((step for step in _TIME_STEPS if step >= least), _TIME_STEPS[-1])
        if self is Unit.COUNT:
            least = max(1.0, least)
        decade = 10.0 ** floor(log10(least))
        return next(decade * part for part in (1, 2, 5, 10) if decade * part >= least)


def _scaled(value: float, sizes: Sequence[tuple[float, str]]) -> str:
    """Return the value in the largest size that it reaches; 0 as it is."""
    size, name = next(((size, name) for size, name in sizes if abs(value) >= size), (1.0, dict(sizes).get(1.0, "")))
    return f"{_short(value / size)} {name}".strip()


def _short(value: float) -> str:
    """Return three digits, or all of a larger number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""Units of panels: Grafana's name of each, the label of its axis, and how a value is written."""

from collections.abc import Sequence
from enum import Enum

_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"), (0.000_001, "µs"))
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


def _scaled(value: float, sizes: Sequence[tuple[float, str]]) -> str:
    """Return the value in the largest size that it reaches; 0 as it is."""
    size, name = next(((size, name) for size, name in sizes if abs(value) >= size), (1.0, dict(sizes).get(1.0, "")))
    return f"{_short(value / size)} {name}".strip()


def _short(value: float) -> str:
    """Return three digits, or all of a larger number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

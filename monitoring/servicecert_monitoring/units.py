"""Units of panels."""

from typing import NamedTuple

_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))


class Unit(NamedTuple):
    """Grafana's name of a unit, and the label of its axis."""

    grafana: str
    axis: str

    def text(self, value: float) -> str:
        """Return a value as a person reads it: `1.5 min`, `80 %`, `3`."""
        if self.grafana == "percentunit":
            return f"{100 * value:g} %"
        if self.grafana != "s":
            return f"{value:g}"
        size, name = next((each for each in _TIMES if abs(value) >= each[0]), (1.0, "s"))
        return f"{value / size:g} {name}"


def number_of(things: str) -> Unit:
    return Unit("short", things)


COUNT = number_of("")
SECONDS, AGE, LEFT = Unit("s", "duration"), Unit("s", "age"), Unit("s", "time left")
SHARE = Unit("percentunit", "share")
BYTES = Unit("bytes", "memory")
PROCESSORS = Unit("none", "processors")
ACTS, EVENTS = Unit("ops", "acts/s"), Unit("eps", "events/s")
RECORDS, REQUESTS = Unit("recps", "records/s"), Unit("reqps", "requests/s")

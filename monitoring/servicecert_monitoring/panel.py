"""What a dashboard shows: Grafana's JSON is made from these values."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import NamedTuple

from servicecert_cli.watching.conditions import CONDITIONS, Severity

from . import units


class Colour(StrEnum):
    """The colours of limits and states, by Grafana's names."""

    GREEN = "green"
    ORANGE = "orange"
    RED = "red"
    DARK_RED = "dark-red"


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that should not be passed, and the alert that says so."""

    value: float
    alert: str = ""
    colour: Colour = Colour.ORANGE
    below: bool = False
    """Whether values below the limit are bad, instead of those above."""


def limit_of(alert: str) -> Limit:
    """Return the limit of an alert; of one that allows none, the first."""
    condition = CONDITIONS[alert]
    value = condition.limit if condition.limit or condition.below else 1
    colour = Colour.RED if condition.severity is Severity.CRITICAL else Colour.ORANGE
    return Limit(value, alert, colour, condition.below)


class State(NamedTuple):
    """The name and colour of a value."""

    text: str
    colour: Colour


@dataclass(frozen=True)
class Panel:
    """One picture, of values over time.

    `queries` are expressions of PromQL by the name of each of their series, with labels in `{{…}}`. `about` is what a
    reader should know, in one or two sentences. `nothing` is shown if no expression has a series. `width` and `height`
    are in columns, and in Grafana's rows of some 30 pixels; None for those of the row.
    """

    title: str
    queries: Mapping[str, str]
    unit: units.Unit = units.COUNT
    about: str = ""
    _: KW_ONLY
    limits: tuple[Limit, ...] = ()
    stacked: bool = False
    nothing: str = "no data"
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        assert len({limit.below for limit in self.limits}) <= 1, f"{self.title}: all limits are on one side"

    @property
    def steps(self) -> tuple[tuple[float | None, Colour], ...]:
        """Return from which value on each colour is right: from None, the smallest, upwards."""
        rising = sorted(self.limits, key=lambda limit: limit.value)
        if not rising or not rising[0].below:
            return ((None, Colour.GREEN), *((limit.value, limit.colour) for limit in rising))
        colours = [*(limit.colour for limit in rising), Colour.GREEN]
        return tuple(zip((None, *(limit.value for limit in rising)), colours, strict=True))

    @property
    def description(self) -> str:
        """Return `about`, and what each limit is."""
        said = (
            f"{limit.colour.capitalize()} {'below' if limit.below else 'from'} {self.unit.text(limit.value)}"
            + (f": alert {limit.alert}." if limit.alert else ".")
            for limit in self.limits
        )
        return " ".join(filter(None, (self.about, *said)))


class Stat(Panel):
    """The last value, large."""


@dataclass(frozen=True, kw_only=True)
class States(Panel):
    """Named values over time, a bar for each series."""

    states: Mapping[float, State]


@dataclass(frozen=True, kw_only=True)
class Table(Panel):
    """The labels of the series that there are now."""

    columns: tuple[str, ...]


class Row:
    """Panels under a heading, of one size unless they have their own."""

    def __init__(self, title: str, *panels: Panel, width: int = 8, height: int = 7) -> None:
        self.title = title
        self.panels = panels
        self.width = width
        self.height = height


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels. `services` are the values of the variable `$service`, if the expressions have one."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    services: tuple[str, ...] = ()

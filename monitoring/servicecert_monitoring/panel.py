"""What a dashboard shows. Grafana's JSON and the drawn pictures are both made from these values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from .units import Unit

COLUMNS = 24
"""The width of Grafana's grid."""


class Kind(Enum):
    """How a panel shows its series."""

    LINES = auto()
    """Values over time."""
    STAT = auto()
    """The last value, large."""
    STATES = auto()
    """Named values over time, a bar for each series."""
    TABLE = auto()
    """The labels of the series that there are now."""


class Colour(Enum):
    """The colours of limits and states, by Grafana's names."""

    GREEN = "green"
    ORANGE = "orange"
    RED = "red"
    DARK_RED = "dark-red"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and the name of each of its series with labels in `{{…}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that should not be passed, and the alert that says so (deploy/prometheus/alerts.yml)."""

    value: float
    alert: str = ""
    colour: Colour = Colour.ORANGE
    below: bool = False
    """Whether values below the limit are bad, instead of those above."""


@dataclass(frozen=True, slots=True)
class State:
    """The name and colour of a value."""

    text: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `width` is in columns, `height` in Grafana's rows of some 30 pixels."""

    title: str
    queries: tuple[Query, ...]
    unit: Unit = Unit.COUNT
    about: str = ""
    """What a reader should know, in one or two sentences."""
    kind: Kind = Kind.LINES
    axis: str = ""
    limits: tuple[Limit, ...] = ()
    states: Mapping[float, State] = field(default_factory=dict, hash=False)
    columns: tuple[str, ...] = ()
    """Of a table: labels."""
    stacked: bool = False
    nothing: str = "no data"
    """Shown if no expression has a series."""
    width: int = 8
    height: int = 7

    def __post_init__(self) -> None:
        assert len({limit.below for limit in self.limits}) <= 1, f"{self.title}: all limits are on one side"
        assert len({query.legend for query in self.queries}) == len(self.queries), f"{self.title}: equal legends"

    @property
    def steps(self) -> tuple[tuple[float | None, Colour], ...]:
        """Return from which value on each colour is right: from None, the smallest, upwards."""
        rising = sorted(self.limits, key=lambda limit: limit.value)
        if not rising or not rising[0].below:
            return ((None, Colour.GREEN), *((limit.value, limit.colour) for limit in rising))
        colours = [*(limit.colour for limit in rising), Colour.GREEN]
        return tuple(zip((None, *(limit.value for limit in rising)), colours, strict=True))

    def colour(self, value: float) -> Colour:
        """Return the colour of a value, by its state or the limits."""
        if state := self.states.get(value):
            return state.colour
        return next(colour for least, colour in reversed(self.steps) if least is None or value >= least)

    @property
    def description(self) -> str:
        """Return `about`, and what each limit is."""
        said = (
            f"{limit.colour.value.capitalize()} {'below' if limit.below else 'from'} {self.unit.text(limit.value)}"
            + (f": alert {limit.alert}." if limit.alert else ".")
            for limit in self.limits
        )
        return " ".join(filter(None, (self.about, *said)))


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is in the grid, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels. `services` are the values of the variable `$service`, if the expressions have one."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    services: tuple[str, ...] = ()

    @property
    def panels(self) -> Iterator[Panel]:
        """Yield all panels."""
        for row in self.rows:
            yield from row.panels

    def placed(self) -> Iterator[tuple[Row | Panel, Place]]:
        """Yield each heading and panel with its place: from left to right, and on a new line where none is left."""
        top = 0
        for row in self.rows:
            yield row, Place(0, top, COLUMNS, 1)
            top, left, tallest = top + 1, 0, 0
            for panel in row.panels:
                if left + panel.width > COLUMNS:
                    top, left, tallest = top + tallest, 0, 0
                yield panel, Place(left, top, panel.width, panel.height)
                left, tallest = left + panel.width, max(tallest, panel.height)
            top += tallest

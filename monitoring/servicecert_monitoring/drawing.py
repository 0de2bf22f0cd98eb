"""Draws a dashboard as one picture: each panel where Grafana has it, with its title, unit, legend and limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from servicecert_launcher.prometheus import Series

from .panel import COLUMNS, Colour, Dashboard, Kind, Panel, Place, Row
from .recording import Answers

COLUMN_INCHES, ROW_INCHES = 0.72, 0.34
MOST_NAMED = 12
"""Of a legend; further series are drawn and counted."""

SHADES = {
    Colour.GREEN: "#3a9d5d",
    Colour.ORANGE: "#e08a1e",
    Colour.RED: "#d4333f",
    Colour.DARK_RED: "#8c1d2f",
}
_LEAST_HEIGHT = 1.0
_LINES = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999933", "#ff8c5a", "#44aa99", "#777777")
_INK, _FAINT, _FRAME, _PAPER = "#222222", "#666666", "#d8d8d8", "#ffffff"


Samples = Sequence[tuple[float, float]]
"""Times in seconds since 1970, each with a value."""


@dataclass(frozen=True, slots=True)
class Named:
    """A series with its legend."""

    name: str
    series: Series


def draw(dashboard: Dashboard, answers: Answers, start: float, end: float) -> Figure:
    """Return the picture of a dashboard between two times in seconds since 1970."""
    placed = list(dashboard.placed())
    rows = max(place.y + place.height for _, place in placed)
    figure = Figure(figsize=(COLUMNS * COLUMN_INCHES, rows * ROW_INCHES), facecolor="#f4f5f7")
    canvas = _Canvas(figure, rows, start, end)
    for element, place in placed:
        if isinstance(element, Row):
            figure.text(
                *canvas.at(place, 0.1, place.height * 0.3), element.title, fontsize=12, weight="bold", color=_INK
            )
        else:
            _draw_panel(canvas, element, place, answers)
    return figure


class _Canvas:
    """Places on a figure, by Grafana's grid."""

    def __init__(self, figure: Figure, rows: int, start: float, end: float) -> None:
        self.figure = figure
        self.start = start
        self.end = end
        self._rows = rows

    def at(self, place: Place, x: float, y: float) -> tuple[float, float]:
        """Return a point of the figure, from a place's lower left corner in columns and rows."""
        bottom = self._rows - place.y - place.height
        return (place.x + x) / COLUMNS, (bottom + y) / self._rows

    def axes(self, place: Place, left: float, bottom: float, right: float, top: float) -> Axes:
        """Return axes within a place, with margins in columns and rows."""
        x, y = self.at(place, left, bottom)
        # Below a long legend the axes are low, but there.
        width, height = place.width - left - right, max(_LEAST_HEIGHT, place.height - bottom - top)
        return self.figure.add_axes((x, y, width / COLUMNS, height / self._rows))


def _draw_panel(canvas: _Canvas, panel: Panel, place: Place, answers: Answers) -> None:
    named = [
        Named(series.name(query.legend), series)
        for query in panel.queries
        for series in sorted(answers[query], key=lambda each: each.name(query.legend))
    ]
    frame = canvas.axes(place, 0.08, 0.12, 0.08, 0.12)
    frame.set(xticks=[], yticks=[], facecolor=_PAPER)
    frame.spines[:].set_color(_FRAME)
    canvas.figure.text(
        *canvas.at(place, 0.25, place.height - 0.85), panel.title, fontsize=9.5, weight="bold", color=_INK
    )
    if not named:
        frame.text(
            0.5, 0.45, panel.nothing, ha="center", va="center", fontsize=11, color=_FAINT, transform=frame.transAxes
        )
        return
    _KINDS[panel.kind](canvas, panel, place, named)


def _draw_lines(canvas: _Canvas, panel: Panel, place: Place, named: Sequence[Named]) -> None:
    lines = -(-min(len(named), MOST_NAMED + 1) // _legend_columns(named, place))
    axes = canvas.axes(place, 1.35, 1.15 + 0.52 * lines, 0.35, 1.15)
    drawn = _stacked(named) if panel.stacked else [each.series.samples for each in named]
    for number, points in enumerate(drawn):
        for part in _parts(points):
            times, values = [_days(at) for at, _ in part], [value for _, value in part]
            axes.plot(times, values, color=_line(number), linewidth=1.2, marker="." if len(part) == 1 else "")
        if panel.stacked:
            below = [value for _, value in drawn[number - 1]] if number else 0.0
            style: dict[str, Any] = {"color": _line(number), "alpha": 0.35, "linewidth": 0}
            axes.fill_between([_days(at) for at, _ in points], below, [value for _, value in points], **style)
    everything = [value for points in drawn for _, value in points]
    top = _limits(canvas, axes, panel, place, max(everything)) or 1.0
    axes.set_ylim(min(0.0, *everything) - 0.03 * top, 1.08 * top)
    axes.yaxis.set_major_locator(MultipleLocator(panel.unit.step(top)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _mark(panel, value)))
    axes.set_ylabel(panel.axis or panel.unit.axis, fontsize=7.5, color=_FAINT)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    _time_axis(canvas, axes)
    _legend(canvas, place, named)


def _stacked(named: Sequence[Named]) -> list[Samples]:
    """Return the points of the series one above the other; where one has no point, it adds nothing."""
    times = sorted({at for each in named for at, _ in each.series.samples})
    heights = dict.fromkeys(times, 0.0)
    stacked: list[Samples] = []
    for each in named:
        for at, value in each.series.samples:
            heights[at] += value
        stacked.append(list(heights.items()))
    return stacked


def _parts(points: Samples) -> Iterator[Samples]:
    """Yield the points without the gaps between them, where the series has no value."""
    step = min((after - at for (at, _), (after, _) in pairwise(points)), default=0.0)
    gaps = [number for number in range(1, len(points)) if points[number][0] - points[number - 1][0] > 1.5 * step]
    for first, last in pairwise((0, *gaps, len(points))):
        yield points[first:last]


def _mark(panel: Panel, value: float) -> str:
    """Return what is at a mark of the axis: without the unit where the axis' label has it."""
    text = panel.unit.text(value)
    return text.removesuffix(panel.unit.axis).strip()


def _limits(canvas: _Canvas, axes: Axes, panel: Panel, place: Place, highest: float) -> float:
    """Name the limits, and draw those that are near the values as dashed lines. Return the highest value drawn."""
    names = [f"{panel.unit.text(limit.value)} {limit.alert}" for limit in panel.limits]
    for number, (limit, name) in enumerate(zip(panel.limits, names, strict=True)):
        shade = SHADES[limit.colour]
        x, y = canvas.at(place, place.width - 0.3, place.height - 0.85 - 0.5 * number)
        canvas.figure.text(x, y, f"limit {name}".strip(), fontsize=7, color=shade, ha="right")
        if limit.below or limit.value <= 4 * highest or limit.value <= 1:
            axes.axhline(limit.value, color=shade, linestyle="--", linewidth=1)
            highest = max(highest, limit.value)
    return highest


def _draw_stat(canvas: _Canvas, panel: Panel, place: Place, named: Sequence[Named]) -> None:
    value = named[0].series.samples[-1][1]
    axes = canvas.axes(place, 0.08, 0.12, 0.08, 1.15)
    axes.set(xticks=[], yticks=[], facecolor=SHADES[panel.colour(value)])
    axes.spines[:].set_visible(False)
    points = named[0].series.samples
    values = [each for _, each in points]
    room = (max(values) - min(values)) or 1.0
    axes.fill_between([_days(at) for at, _ in points], min(values) - room, values, color="white", alpha=0.25)
    axes.set_ylim(min(values) - 0.1 * room, max(values) + 2.5 * room)
    axes.set_xlim(_days(canvas.start), _days(canvas.end))
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": "white", "transform": axes.transAxes}
    axes.text(0.5, 0.58, panel.unit.text(value), fontsize=20, weight="bold", **middle)
    limits = " · ".join(
        f"{'<' if limit.below else '≥'} {panel.unit.text(limit.value)} {limit.alert}" for limit in panel.limits
    )
    axes.text(0.5, 0.13, f"{named[0].name}   {limits}".strip(), fontsize=7, **middle)


def _draw_states(canvas: _Canvas, panel: Panel, place: Place, named: Sequence[Named]) -> None:
    longest = max(len(each.name) for each in named)
    axes = canvas.axes(place, min(0.45 + 0.105 * longest, place.width * 0.55), 1.5, 0.35, 1.2)
    for number, each in enumerate(named):
        for at, until, value in _spans(each.series.samples):
            span = (_days(at), _days(until - at))
            axes.broken_barh([span], (number - 0.38, 0.76), color=SHADES[panel.colour(value)], linewidth=0)
    axes.set_ylim(len(named) - 0.4, -0.6)
    axes.set_yticks(range(len(named)), [each.name for each in named])
    axes.xaxis_date()
    _time_axis(canvas, axes)
    step = place.width / max(len(panel.states), 3)
    for number, state in enumerate(panel.states.values()):
        x, y = canvas.at(place, 0.35 + number * step, 0.42)
        canvas.figure.text(x, y, "■ ", color=SHADES[state.colour], fontsize=8)
        canvas.figure.text(x + 0.35 / COLUMNS, y, state.text, color=_INK, fontsize=7.5)


def _draw_table(canvas: _Canvas, panel: Panel, place: Place, named: Sequence[Named]) -> None:
    lines = sorted(tuple(each.series.labels.get(column, "") for column in panel.columns) for each in named)
    most = int((place.height - 2.2) / 0.62)
    step = (place.width - 0.6) / len(panel.columns)
    shown = [panel.columns, *lines[:most]]
    if len(lines) > most:
        shown.append((f"and {len(lines) - most} more",))
    for number, line in enumerate(shown):
        for column, text in enumerate(line):
            x, y = canvas.at(place, 0.3 + column * step, place.height - 1.6 - 0.62 * number)
            weight = "bold" if number == 0 else "normal"
            canvas.figure.text(x, y, text, fontsize=7.5, color=_FAINT if number == 0 else _INK, weight=weight)


_KINDS = {
    Kind.LINES: _draw_lines,
    Kind.STAT: _draw_stat,
    Kind.STATES: _draw_states,
    Kind.TABLE: _draw_table,
}


def _legend_columns(named: Sequence[Named], place: Place) -> int:
    """Return how many names fit side by side below a panel."""
    longest = max(len(each.name) for each in named[:MOST_NAMED])
    return max(1, min(4, int((place.width - 0.6) / (0.65 + 0.105 * longest))))


def _legend(canvas: _Canvas, place: Place, named: Sequence[Named]) -> None:
    columns = _legend_columns(named, place)
    texts = [each.name for each in named[:MOST_NAMED]]
    if len(named) > MOST_NAMED:
        texts.append(f"and {len(named) - MOST_NAMED} more")
    lines = -(-len(texts) // columns)
    step = (place.width - 0.6) / columns
    for number, text in enumerate(texts):
        line, column = divmod(number, columns)
        x, y = canvas.at(place, 0.35 + column * step, 0.35 + 0.52 * (lines - 1 - line))
        if number < MOST_NAMED:
            canvas.figure.text(x, y, "▬", color=_line(number), fontsize=7)
        canvas.figure.text(x + 0.32 / COLUMNS, y, text, color=_INK, fontsize=7)


def _time_axis(canvas: _Canvas, axes: Axes) -> None:
    axes.set_xlim(_days(canvas.start), _days(canvas.end))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S", tz=UTC))
    axes.tick_params(labelsize=7, colors=_FAINT, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FRAME)


def _spans(points: Samples) -> Iterator[tuple[float, float, float]]:
    """Yield how long each value lasted: from, until, value."""
    for part in _parts(points):
        for (at, value), (after, _) in pairwise(part):
            yield at, after, value


def _days(at: float) -> float:
    """Return a time as Matplotlib counts it: days since 1970."""
    return at / 86_400


def _line(number: int) -> str:
    return _LINES[number % len(_LINES)]

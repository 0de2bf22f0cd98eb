"""Draws growths: what a certificate costs and how many there are a second, a column for each growth.

Matplotlib is needed by nobody else: it has a lock of its own, and is installed when it is first needed.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.results import FOLDER
from bench.stand import Measured

LOCK = Path(__file__).with_name("requirements.lock")
COLOURS = {
    "intake": "#4477aa",
    "issuer": "#ee6677",
    "revoker": "#ccbb44",
    "notifier": "#228833",
    "ocsp": "#aa3377",
    "kafka": "#66ccee",
    "postgresql": "#777777",
}
NAMES = {"ocsp": "OCSP responder", "kafka": "Kafka", "postgresql": "PostgreSQL"}
INK, PAPER = "#222222", "#fafafa"

Growth = Mapping[str, Measured]
"""What was measured, by the label of each point."""


def install() -> None:
    """Install matplotlib into this environment, unless it is there."""
    if find_spec("matplotlib") is None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(command, check=True)


def draw(growths: Mapping[str, Growth], name: str, title: str) -> None:
    """Write `var/bench/NAME.svg` and `.png`. A growth's name is the label of its axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(growths) + 2, 8), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=14)
    axes = figure.subplots(2, len(growths), sharex="col", sharey="row", height_ratios=(2, 1), squeeze=False)
    for place, (label, growth) in enumerate(growths.items()):
        _draw_costs(axes[0][place], growth)
        _draw_rates(axes[1][place], growth)
        axes[1][place].set_xlabel(label, fontsize=11)
    for row in axes:
        row[0].set_ylim(0, 1.1 * max(axis.dataLim.ymax for axis in row))
    axes[0][0].set_ylabel("processor ms per certificate, stacked", fontsize=11)
    axes[1][0].set_ylabel("certificates per second", fontsize=11)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False)
    for suffix in ("svg", "png"):
        figure.savefig(FOLDER / f"{name}.{suffix}", dpi=110)
    print(f"drawn in {FOLDER / name}.svg", flush=True)


def _draw_costs(axes: Any, growth: Growth) -> None:
    """Draw the parts' lines one above the other, so that the uppermost is the sum."""
    places, below = range(len(growth)), [0.0] * len(growth)
    for part, colour in COLOURS.items():
        above = [low + costs[part] for low, (_, costs) in zip(below, growth.values(), strict=True)]
        axes.fill_between(places, below, above, color=colour, alpha=0.35, linewidth=0)
        axes.plot(places, above, color=colour, marker="o", markersize=4, label=NAMES.get(part, part))
        below = above
    _finish(axes, growth, below)


def _draw_rates(axes: Any, growth: Growth) -> None:
    rates = [rate for rate, _ in growth.values()]
    axes.plot(range(len(rates)), rates, color=INK, marker="o", markersize=4)
    _finish(axes, growth, rates)


def _finish(axes: Any, growth: Growth, labelled: Sequence[float]) -> None:
    """Name the points, and write each value of the uppermost line above it."""
    for place, value in enumerate(labelled):
        style = {"ha": "center", "fontsize": 9, "color": INK, "textcoords": "offset points"}
        axes.annotate(f"{value:.3g}", (place, value), xytext=(0, 7), **style)
    axes.set_xticks(range(len(growth)), list(growth))
    axes.set_xlim(-0.3, len(growth) - 0.7)
    axes.set_facecolor(PAPER)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)

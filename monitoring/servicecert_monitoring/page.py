"""A page with the pictures of all dashboards, and what each panel asks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context

from .drawing import draw
from .panel import Dashboard
from .recording import Answers, Recording

_DOTS_PER_INCH = 100


@dataclass(frozen=True, slots=True)
class _Picture:
    """A dashboard's picture, for one value of its variable. `name` is that of its PNG."""

    name: str
    title: str
    dashboard: Dashboard
    svg: Markup


def write(folder: Path, recording: Recording, answers: dict[tuple[Dashboard, str], Answers]) -> Path:
    """Write `index.html` with each picture as SVG, and each as a PNG beside it; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for (dashboard, service), found in answers.items():
        name = "-".join(filter(None, (dashboard.name, service)))
        title = f"{dashboard.title}: {service}" if service else dashboard.title
        # Text stays text; ids are the same in each run, and of no other picture.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            figure = draw(dashboard, found, recording.start, recording.end)
            figure.savefig(folder / f"{name}.png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
            pictures.append(_Picture(name, title, dashboard, _svg(figure)))
    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    path = folder / "index.html"
    content = environment.get_template("page.html.j2").render(
        pictures=pictures, start=_moment(recording.start), end=_moment(recording.end)
    )
    path.write_text(content, encoding="utf-8")
    return path


def _svg(figure: Any) -> Markup:
    """Return the picture as an element of HTML: without what precedes it in a file of its own."""
    file = StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704 - Matplotlib has escaped the texts.


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

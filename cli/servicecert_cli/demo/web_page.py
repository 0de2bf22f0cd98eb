"""The story as one page for a browser: `story.html`, which loads nothing and runs no script."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, StrictUndefined
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.open_list import value_of

from ..terminal.printing import transitions
from .elements import Chapter, Element, Ending, Progress, Title

State = Mapping[str, str]
"""One state of a case, in words for the template."""

TONES: Mapping[CaseState, str] = {
    CaseState.ACCEPTED: "good",
    CaseState.ISSUED: "good",
    CaseState.DELIVERED: "good",
    CaseState.RETURNED: "warning",
    CaseState.WAITING_FOR_CSR: "warning",
    CaseState.REVOCATION_REQUESTED: "warning",
    CaseState.REVOKED: "bad",
    CaseState.REFUSED: "bad",
    CaseState.LAPSED: "bad",
}


@dataclass(frozen=True, slots=True)
class Timeline:
    """The states of a case that follow one another in the story, or all of them."""

    case: CaseChanged
    states: list[State]


class WebPage:
    """Collects the story, and renders it at its end."""

    def __init__(self) -> None:
        self._title = Title("", "")
        self._chapters: list[tuple[Chapter, list[Element | Timeline]]] = []
        self._ending: Ending | None = None
        self._cases: dict[UUID, tuple[Chapter, Timeline]] = {}

    def show(self, element: Element) -> None:
        match element:
            case Title():
                self._title = element
            case Chapter():
                self._chapters.append((element, []))
            case Ending():
                self._ending = element
            case Progress():
                self._progress(element)
            case _:
                self._chapters[-1][1].append(element)

    def _progress(self, progress: Progress) -> None:
        """Add states to the case's timeline, and to the chapter's, where that ends the chapter so far."""
        chapter, elements = self._chapters[-1]
        if not (elements and isinstance(elements[-1], Timeline)):
            elements.append(Timeline(progress.case, []))
        last = elements[-1]
        assert isinstance(last, Timeline)
        _, whole = self._cases.setdefault(progress.case.case_id, (chapter, Timeline(progress.case, [])))
        for timeline in (last, whole):
            timeline.states.extend(_states(progress))

    def write(self, path: Path) -> None:
        """Render the page. Raises OSError."""
        path.write_text(self.rendered(), "utf-8")

    def rendered(self) -> str:
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters["kind"] = lambda element: type(element).__name__
        source = (files(__package__) / "story.html.j2").read_text("utf-8")
        return environment.from_string(source).render(
            title=self._title,
            now=datetime.now(HELSINKI),
            chapters=self._chapters,
            cases=list(self._cases.values()),
            ending=self._ending,
        )


def _states(progress: Progress) -> list[State]:
    """Return the new states of a case, each with the time since the case began."""
    case, shown = progress.case, progress.shown
    began = case.history[0].at
    return [
        {
            "at": entry.at.isoformat(timespec="milliseconds"),
            "moment": each.moment,
            "words": each.words,
            "remark": each.remark,
            "tone": value_of(TONES, each.state, "plain"),
            "since": _duration(entry.at - began),
        }
        for each, entry in zip(transitions(case, shown), case.history[shown:], strict=True)
    ]


def _duration(time: timedelta) -> str:
    if not time:
        return "start"
    return f"+{time.days} days" if time.days > 1 else f"+{time.total_seconds():.2f} s"

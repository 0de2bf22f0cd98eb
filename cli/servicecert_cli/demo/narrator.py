"""The narrator: prints the story as it happens, in brief or in full, and writes it as a page for a browser."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.text import Text
from servicecert_pki.validity import HELSINKI

from ..terminal.printing import Printer, transitions
from .elements import QUOTE, Card, Chapter, Element, Fact, Progress, Title

QUOTED_LINES = 3
"""How many lines of a text the brief story quotes, empty ones left out."""


class Screen(Printer):
    """Prints the story on a terminal or into a file: in brief, a screen for each chapter, or in full."""

    def __init__(self, console: Console, *, full: bool) -> None:
        super().__init__(console)
        self._full = full
        self._last: type[Element] = Title

    def show(self, element: Element) -> None:
        pair = (self._last, type(element))
        if pair == (Card, Progress) or (self._full and pair != (Progress, Progress)):
            self.gap()
        self._last = type(element)
        match element:
            case Title():
                self.title(element.text)
                self.line("   ", Text(element.note))
            case Chapter():
                self.heading(f"{element.number}  {element.title}" if element.number else element.title)
            case Progress():
                self.states(element.case, element.shown)
            case Card():
                self._card(element)
            case str():
                self.say(element, blank_after=self._full)

    def _card(self, card: Card) -> None:
        head, paths = Fact(card.label, card.title, style=card.style), "\n".join(() if card.html else card.files)
        whole = [fact for fact in (head, *card.facts, Fact("file", paths, detail=True)) if fact.value]
        is_brief = not self._full and bool(card.brief)
        facts = card.brief if is_brief else whole if self._full else [fact for fact in whole if not fact.detail]
        width = max([12, *(len(fact.label) + 1 for fact in facts)])
        for fact in facts:
            value = fact.value if self._full else fact.value.replace("\n", ", ")
            self.fact(fact.label, value, fact.style, width=width)
        if card.margin is None or is_brief:
            return
        lines = list(card.text.wrap(self.console, self.width - len(card.margin)))
        if card.margin == QUOTE and not self._full:
            lines = [line for line in lines if line.plain and line.plain != card.title]
            rest = f"… {len(lines) - QUOTED_LINES} more lines in {card.files[0].partition('-')[0]}-*.eml"
            lines = [*lines[:QUOTED_LINES], Text(rest, "dim")]
        for line in lines:
            self.line(card.margin, line)


class Narrator:
    """Shows the story on every screen, and keeps it. The first screen is the terminal."""

    def __init__(self, *screens: Screen) -> None:
        self.story: list[Element] = []
        self.console, self.waiting = screens[0].console, screens[0].waiting
        self._screens = screens

    def show(self, *elements: Element) -> None:
        for element in elements:
            self.story.append(element)
            for screen in self._screens:
                screen.show(element)


@contextmanager
def narrating(folder: Path, console: Console, *, full: bool) -> Iterator[Narrator]:
    """Open the outputs in an empty folder; at the end of a whole story, write `story.html`."""
    with (folder / "story.txt").open("w", encoding="utf-8") as file:
        text = Screen(Console(file=file, width=80, highlight=False, color_system=None), full=True)
        yield (narrator := Narrator(Screen(console, full=full), text))
    (folder / "story.html").write_text(page(narrator.story), "utf-8")


def page(story: Sequence[Element]) -> str:
    """Return the story as one page for a browser, which loads nothing and runs no script."""
    chapters: list[tuple[Chapter, list[Element]]] = []
    cases: dict[UUID, tuple[int, list[Progress]]] = {}
    for element in story[1:]:
        if isinstance(element, Chapter):
            chapters.append((element, []))
        else:
            chapters[-1][1].append(element)
        if isinstance(element, Progress):
            cases.setdefault(element.case.case_id, (len(chapters), []))[1].append(element)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["grouped"] = lambda found: [(kind.__name__, list(each)) for kind, each in groupby(found, type)]
    return environment.from_string((files(__package__) / "story.html.j2").read_text("utf-8")).render(
        title=story[0], now=datetime.now(HELSINKI), chapters=chapters, cases=cases.values(), transitions=transitions
    )

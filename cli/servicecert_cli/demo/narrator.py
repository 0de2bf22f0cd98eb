"""The narrator: gives each element of the story to the terminal, to `story.txt` and to `story.html`, as it happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.status import Status

from .elements import Element
from .screen import Screen
from .web_page import WebPage


class Output(Protocol):
    """Where the story goes."""

    def show(self, element: Element) -> None: ...


@dataclass(frozen=True, slots=True)
class Narrator:
    """Tells the story to every output. `console` is the terminal, for what is shown only while something is awaited."""

    console: Console
    outputs: tuple[Output, ...]

    def show(self, *elements: Element) -> None:
        for element in elements:
            for output in self.outputs:
                output.show(element)

    def waiting(self, text: str) -> Status:
        return self.console.status(f"[dim]{text}[/]", spinner_style="cyan")


@contextmanager
def narrating(folder: Path, console: Console, *, full: bool) -> Iterator[Narrator]:
    """Open the outputs in an empty folder; at the end of a whole story, write `story.html`."""
    page = WebPage()
    with (folder / "story.txt").open("w", encoding="utf-8") as file:
        text = Screen(Console(file=file, width=80, highlight=False, color_system=None), full=True)
        yield Narrator(console, (Screen(console, full=full), text, page))
    page.write(folder / "story.html")

"""Progress of a long start, as steps that begin, change their note, and are done."""

import time
from dataclasses import dataclass, replace
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

NAME, NOTE = 23, 43


class Report(Protocol):
    """Receives the progress of steps, from any thread. `step` identifies a step."""

    def began(self, step: str, text: str) -> None:
        """Begin a step; called again, set its note."""
        ...

    def done(self, step: str, note: str) -> None:
        """End a step; the note is its result."""
        ...


class Silent:
    """Discards the progress."""

    def began(self, step: str, text: str) -> None: ...

    def done(self, step: str, note: str) -> None: ...


silent = Silent()


@dataclass(frozen=True, slots=True)
class Step:
    """One step: when it began, and the seconds it took once it is done."""

    name: str
    note: str
    since: float
    seconds: float | None = None

    def line(self, now: float) -> Text:
        """Return the step as a line of 79 columns, without its mark."""
        seconds = now - self.since if self.seconds is None else self.seconds
        note = self.note if len(self.note) <= NOTE else self.note[: NOTE - 1] + "…"
        return Text.assemble(f" {self.name:<{NAME}} ", (f"{note:<{NOTE}} {seconds:5.1f} s", "dim"))


class Steps:
    """Shows concurrent steps: on a terminal each with a spinner, elsewhere as a line when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, Step] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self._shown, refresh_per_second=12, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
            for step in self._steps.values():
                self._print(step)

    def began(self, step: str, text: str) -> None:
        known = self._steps.get(step)
        self._steps[step] = Step(text, "", time.monotonic()) if known is None else replace(known, note=text)

    def done(self, step: str, note: str) -> None:
        began = self._steps[step]
        self._steps[step] = replace(began, note=note, seconds=time.monotonic() - began.since)
        if not self._console.is_terminal:
            self._print(self._steps[step])

    def _print(self, step: Step) -> None:
        mark = ("   …", "dim") if step.seconds is None else ("   ✓", "green")
        self._console.print(Text.assemble(mark, step.line(time.monotonic())))

    def _shown(self) -> Group:
        now = time.monotonic()
        return Group(*(self._marked(step, now) for step in tuple(self._steps.values())))

    def _marked(self, step: Step, now: float) -> Text:
        if step.seconds is not None:
            return Text.assemble(("   ✓", "green"), step.line(now))
        spinning = self._spinner.render(now)
        assert isinstance(spinning, Text)
        return Text.assemble("   ", spinning, step.line(now))

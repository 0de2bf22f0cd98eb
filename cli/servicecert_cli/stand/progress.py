"""How whoever waits is told what is being done: steps that begin, say something, and are done; on a terminal, or not at all."""

import time
from dataclasses import dataclass, replace
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

NAME, NOTE = 23, 43


class Report(Protocol):
    """Is told of steps, from any thread. `step` names one step from its beginning to its end."""

    def began(self, step: str, text: str) -> None:
        """A step begins; or, named again, says what it does now."""
        ...

    def done(self, step: str, note: str) -> None:
        """A step is done; the note says what came of it."""
        ...


class Silent:
    """For callers that wait without being told."""

    def began(self, step: str, text: str) -> None: ...

    def done(self, step: str, note: str) -> None: ...


silent = Silent()


@dataclass(frozen=True, slots=True)
class Step:
    """One step: since when it runs, and how long it took once it is done."""

    name: str
    note: str
    since: float
    seconds: float | None = None

    def line(self, now: float) -> Text:
        """The step as a line of 79 columns, without its mark."""
        seconds = now - self.since if self.seconds is None else self.seconds
        note = self.note if len(self.note) <= NOTE else self.note[: NOTE - 1] + "…"
        return Text.assemble(f" {self.name:<{NAME}} ", (f"{note:<{NOTE}} {seconds:5.1f} s", "dim"))


class Steps:
    """Shows steps that can run beside each other at once: on a terminal each with a spinner, elsewhere a line when it is done."""

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

"""Progress of a long start, as steps that begin, change their note, and are done."""

from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column
from rich.text import Text


class Steps:
    """Shows concurrent steps: on a terminal each with a spinner, elsewhere as a line when it is done; by default none.

    It is told of them from any thread; `step` identifies a step.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console = console or Console(quiet=True)
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("  "),
            SpinnerColumn(style="cyan", finished_text=Text("✓", "green")),
            TextColumn("{task.description:<23}", markup=False),
            # Its words continue below where the terminal is narrow.
            TextColumn(
                "{task.fields[note]}",
                "dim",
                markup=False,
                table_column=Column(width=max(10, min(console.width, 80) - 37)),
            ),
            TextColumn("{task.elapsed:5.1f} s", "dim"),
            console=console,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def began(self, step: str, text: str) -> None:
        """Begin a step; called again, set its note."""
        if step in self._tasks:
            self._progress.update(self._tasks[step], note=text)
        else:
            self._tasks[step] = self._progress.add_task(text, total=1, note="")

    def done(self, step: str, note: str) -> None:
        self._progress.update(self._tasks[step], completed=1, note=note)
        self._progress.stop_task(self._tasks[step])
        if not self._console.is_terminal:
            self._console.print(self._progress.make_tasks_table([self._progress.tasks[self._tasks[step]]]))

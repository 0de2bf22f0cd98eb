"""How whoever waits is told what is being done: steps that begin, say something, and are done."""

from __future__ import annotations

from typing import Protocol


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

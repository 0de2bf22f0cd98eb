"""Progress of a start, as lines of text."""

from collections.abc import Callable

Report = Callable[[str], None]


def silent(line: str) -> None:
    """Discard the line."""

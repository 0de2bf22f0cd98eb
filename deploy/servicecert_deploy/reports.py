"""Telling whoever waits what is being done now."""

from collections.abc import Callable

Report = Callable[[str], None]


def silent(line: str) -> None:
    """For callers that wait without being told."""

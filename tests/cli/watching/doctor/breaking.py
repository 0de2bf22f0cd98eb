"""The ways to break something of an installation, each with the checks that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli.watching.doctor.installation import Installation
from servicecert_cli.watching.conditions import Severity

OK, SKIPPED, UNKNOWN, WARNING, CRITICAL = Severity


@dataclass(frozen=True)
class Break:
    """Break it until the context ends. `checks` are all that say so, `words` are in the first one's finding."""

    context: Callable[[Installation, pytest.MonkeyPatch, Path], AbstractContextManager[None]]
    words: str
    checks: dict[str, Severity]


BREAKS: dict[str, Break] = {}


def breaks(words: str, **checks: Severity) -> Callable[[Callable[..., Iterator[None]]], None]:
    """Register a function that breaks something, yields, and mends it."""

    def register(broken: Callable[..., Iterator[None]]) -> None:
        BREAKS[broken.__name__] = Break(contextmanager(broken), words, checks)

    return register

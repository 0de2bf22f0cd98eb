"""The command `servicecert` as a process, and what it says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
FAULT = "servicecert: "


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def run_process(*arguments: object, environment: Mapping[str, str] | None = None, timeout: float = 60) -> Ended:
    """Runs the command as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "servicecert_cli", *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def one_sentence(text: str) -> str:
    """What standard error says, which is one line."""
    (line,) = text.strip().splitlines()
    assert "Traceback" not in line
    return line


def do(work: Callable[[], Awaitable[T]]) -> T:
    """Runs a coroutine in a test that is not one, since a command has an event loop of its own."""

    async def run() -> Any:
        return await work()

    return asyncio.run(run())

"""The command `servicecert` as a process, and what it says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from servicecert_deploy import Child

T = TypeVar("T")
FAULT = "servicecert: "


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def run_process(
    *arguments: object,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60,
    program: str = "servicecert_cli",
) -> Ended:
    """Runs the command, or another program of Python's path, as a process."""
    done = subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
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


def do(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine in a test that is not one, since a command has an event loop of its own."""
    return asyncio.run(work())


def until(condition: Callable[[], T], process: subprocess.Popen[Any]) -> T:
    """Waits until something is so, while a process runs."""
    deadline = time.monotonic() + 90
    while not (found := condition()):
        assert process.poll() is None, "the process ended before"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def processes_of(folder: Path) -> dict[int, list[str]]:
    """The processes whose command line or environment names the folder, apart from this one: their command lines by id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command + environment and int(process.name) != os.getpid():
            found[int(process.name)] = command.decode().split("\0")[:-1]
    return found


def worker_of(service: str, folder: Path) -> int | None:
    """The process of a service that works for the folder's system, once there is one."""
    for pid, words in processes_of(folder).items():
        if words[-2:] == ["run", service] and not any("guard.py" in word for word in words):
            return pid
    return None


async def begun(workers: Iterable[Child]) -> None:
    """Waits until each worker has come so far that it can be asked to finish what it does."""
    async with asyncio.timeout(90):
        while not all("Ready to work" in worker.said(100) for worker in workers):  # noqa: ASYNC110  -- it is in a file
            await asyncio.sleep(0.1)

"""Runs the command `servicecert` as a process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from servicecert_cli.main import main
from servicecert_launcher import Child

T = TypeVar("T")
FAULT = "servicecert: "


@dataclass(frozen=True)
class Ended:
    """The exit status and the output of a process."""

    code: int
    out: str
    err: str


def run_process(
    *arguments: object,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60,
    program: str = "servicecert_cli",
) -> Ended:
    """Run the command, or another module of Python's path, as a process."""
    done = subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (child := command.get_command(context, name)) is not None:
                yield from _leaves(child, (*path, name))


LEAVES = list(_leaves(main))
"""Each command that does something, with its path."""


def one_sentence(text: str) -> str:
    """Return the only line of standard error."""
    (line,) = text.strip().splitlines()
    assert "Traceback" not in line
    return line


def read_json(printed: Any) -> Any:
    """Return the JSON that a command printed. It must have a number or a row: emptiness proves nothing about it."""
    text = printed if isinstance(printed, str) else printed.stdout
    found = json.loads(text)
    assert _has_rows(found), text
    return found


def _has_rows(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_rows, value.values()))
    return value != [] if isinstance(value, list) else bool(value) and value is not True


def do(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a synchronous test, as a command has its own event loop."""
    return asyncio.run(work())


def until(condition: Callable[[], T], process: subprocess.Popen[Any]) -> T:
    """Wait until the condition is true, and return its value. Fails if the process ends before."""
    deadline = time.monotonic() + 90
    while not (value := condition()):
        assert process.poll() is None, "the process ended before"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def processes_of(folder: Path) -> dict[int, list[str]]:
    """Return the command lines, by process id, of other processes whose arguments or environment name the folder."""
    commands = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command + environment and int(process.name) != os.getpid():
            commands[int(process.name)] = command.decode().split("\0")[:-1]
    return commands


def worker_of(service: str, folder: Path) -> int | None:
    """Return the process id of a service's worker in the folder's system, if it runs."""
    for pid, words in processes_of(folder).items():
        if words[-2:] == ["run", service] and not any("guard.py" in word for word in words):
            return pid
    return None


async def begun(workers: Iterable[Child]) -> None:
    """Wait until each worker is ready and can be stopped gracefully."""
    async with asyncio.timeout(90):
        while not all("Started" in worker.tail(100) for worker in workers):  # noqa: ASYNC110  -- it is in a file
            await asyncio.sleep(0.1)

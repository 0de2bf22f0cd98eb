"""Fixtures of the launcher's tests: waiting for a condition, and a launcher process to kill."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

PATIENCE_SECONDS = 120.0

_INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"

Until = Callable[[Callable[[], bool]], None]
Launch = Callable[[str], "Launcher"]


@pytest.fixture
def until() -> Until:
    """Wait for a condition; fail after 30 s."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come"
            time.sleep(0.01)

    return wait


class Launcher:
    """A Python process that runs code which prints one line once its children run.

    It can be interrupted, though a shell that runs the tests in its background has them ignore SIGINT.
    """

    def __init__(self, code: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _INTERRUPTIBLE + code],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline().strip()
        self.started = psutil.Process(self.process.pid).children(recursive=True)

    def end(self, signal: int) -> None:
        self.process.send_signal(signal)
        self.process.wait(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def anything_left(self) -> bool:
        """Return whether a process that it started still runs."""
        return any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in self.started)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launchers: list[Launcher] = []

    def start(code: str) -> Launcher:
        launchers.append(Launcher(code, tmp_path))
        return launchers[-1]

    yield start
    for launcher in launchers:
        if launcher.process.poll() is None:
            launcher.end(9)

"""A child obeys its launcher, and ends with it, however the launcher ends."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from servicecert_launcher import Child, StartFailed

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
# A server as PostgreSQL is one: its own children leave the session.
FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("up", flush=True)
time.sleep(600)
"""
LAUNCHER = """
import sys, time
from pathlib import Path
from servicecert_launcher import Child
folder = Path("held"); folder.mkdir()
log = Path("log")
child = Child([sys.executable, "-c", {family!r}], log=log, remove=folder.resolve())
child.await_ready(lambda: "up" in log.read_text(), 30)
print("up", flush=True)
# In short sleeps: a signal that arrives just before one begins is handled after it.
while True:
    time.sleep(0.1)
"""


def started(command: list[str], log: Path, until: Callable[[Callable[[], bool]], None]) -> Child:
    child = Child(command, log=log)
    until(lambda: "up" in log.read_text())
    return child


def test_a_child_has_the_environment_and_the_log_it_is_given(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['GIVEN'], os.getcwd()); sys.exit(3)"
    log = tmp_path / "log"
    child = Child([sys.executable, "-c", code], log=log, environment={"GIVEN": "this"}, folder=tmp_path)
    assert child.wait(30) == 3
    assert (child.alive, child.returncode) == (False, 3)
    assert log.read_text().split() == ["this", str(tmp_path)]


@pytest.mark.parametrize(("end", "status"), [(Child.kill, 128 + signal.SIGKILL), (Child.stop, 128 + signal.SIGTERM)])
def test_the_exit_status_names_the_signal(
    end: Callable[[Child], int], status: int, tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    child = started(SLEEPER, tmp_path / "log", until)
    assert child.alive
    assert end(child) == status
    assert not psutil.pid_exists(child.pid)


def test_what_does_not_end_when_asked_is_killed(tmp_path: Path, until: Callable[[Callable[[], bool]], None]) -> None:
    child = started(STUBBORN, tmp_path / "log", until)
    assert child.stop(timeout=0.1) == 128 + signal.SIGKILL


def test_a_frozen_child_stands_still_goes_on_and_can_be_stopped(
    tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    child = started(SLEEPER, tmp_path / "log", until)
    process = psutil.Process(child.pid)
    child.freeze()
    until(lambda: process.status() == psutil.STATUS_STOPPED)
    child.thaw()
    until(lambda: process.status() != psutil.STATUS_STOPPED)
    child.freeze()
    assert child.stop(timeout=30) == 128 + signal.SIGTERM


def test_an_ended_child_takes_every_call(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", ""], log=tmp_path / "log")
    assert [child.wait(), child.stop(), child.kill()] == [0, 0, 0]


def test_a_command_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"no-such-command did not start.*No such file"):
        Child([tmp_path / "no-such-command"], log=tmp_path / "log")


def test_an_early_end_says_what_the_command_said_last(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "raise SystemExit('no more memory')"], log=tmp_path / "log")
    with pytest.raises(StartFailed, match=r"ended with status 1.*no more memory"):
        child.await_ready(lambda: False, 30)


def test_what_is_not_ready_in_time_is_a_sentence(tmp_path: Path, until: Callable[[Callable[[], bool]], None]) -> None:
    child = started(SLEEPER, tmp_path / "log", until)
    with pytest.raises(StartFailed, match="not ready after"):
        child.await_ready(lambda: False, 0.05)
    child.kill()


def test_killing_a_child_kills_what_it_started(tmp_path: Path, until: Callable[[Callable[[], bool]], None]) -> None:
    child = started([sys.executable, "-c", FAMILY], tmp_path / "log", until)
    (grandchild,) = psutil.Process(child.pid).children()
    child.kill()
    assert not grandchild.is_running()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_launcher(
    number: int, launch: Callable[[str], Any], until: Callable[[Callable[[], bool]], None], tmp_path: Path
) -> None:
    launcher = launch(LAUNCHER.format(family=FAMILY))
    assert len(launcher.started) == 3, "guard, command, and what that started"
    launcher.end(number)
    until(lambda: not launcher.anything_left())
    until(lambda: not (tmp_path / "held").exists())


def test_a_killed_guard_takes_its_child_along(tmp_path: Path, until: Callable[[Callable[[], bool]], None]) -> None:
    child = started(SLEEPER, tmp_path / "log", until)
    process = psutil.Process(child.pid)
    guard = process.parent()
    assert guard is not None
    guard.kill()
    until(lambda: not process.is_running())
    child.wait()

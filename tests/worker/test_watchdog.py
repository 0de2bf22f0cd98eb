"""The watchdog ends a process whose event loop is blocked, and none that was suspended as a whole."""

from __future__ import annotations

import threading

import pytest
from servicecert_worker.runtime import watchdog


class Clock:
    """A monotonic clock that a test sets. `looks` counts who looked since."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looked = threading.Event()

    def __call__(self) -> float:
        self.looked.set()
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(2):
            self.looked.clear()
            assert self.looked.wait(60)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(watchdog, "monotonic", made)
    return made


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(watchdog, "give_up", said.append)
    return said


def test_a_loop_that_is_blocked_ends_the_process(clock: Clock, ended: list[str]) -> None:
    with watchdog.heartbeat(0.4) as beat:
        for _ in range(5):
            beat()
            clock.advance(0.19)
        assert not ended
        for _ in range(5):
            clock.advance(0.19)
    assert ended
    assert ended[0].startswith("the event loop is blocked for ")


def test_a_process_that_was_suspended_goes_on(clock: Clock, ended: list[str]) -> None:
    """By a hypervisor or SIGSTOP, for longer than a loop may be blocked: it does not run, and its clock does."""
    with watchdog.heartbeat(0.4) as beat:
        clock.advance(0.1)
        clock.advance(80)
        assert not ended
        beat()
        for _ in range(5):
            clock.advance(0.19)
    assert ended, "it is watched on"

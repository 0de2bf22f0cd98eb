"""The guard of the clocks: a worker's is compared with PostgreSQL's, whichever of the two is wrong (F6)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from servicecert_worker.core.clock import ClockGuard, ClockWrong, steady_clock
from servicecert_worker.core.decider import Done, Effect, Outcome, Retry, Task
from servicecert_worker.runtime.effects import Effects
from servicecert_worker.storage.database import KnownDatabase
from toy.service import Act

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Clocks:
    """A machine's settable clock, its steady clock, and PostgreSQL's."""

    def __init__(self) -> None:
        self.wall = self.database = NOW
        self.steady = 1000.0
        self.guard = ClockGuard(MINUTE, lambda: self.wall, lambda: self.steady)

    def pass_(self, time: timedelta) -> None:
        self.wall += time
        self.database += time
        self.steady += time.total_seconds()

    def compare(self, newest: datetime | None = None) -> str | None:
        with suppress(ClockWrong):
            self.guard.compare(self.steady, self.database, newest)
        return self.guard.fault()


@pytest.fixture
def clocks() -> Clocks:
    made = Clocks()
    assert made.compare() is None
    return made


def test_time_that_passes_is_no_fault(clocks: Clocks) -> None:
    clocks.pass_(400 * 24 * HOUR)
    assert clocks.guard.fault() is None
    assert clocks.compare() is None


@pytest.mark.parametrize("jump", [2 * MINUTE, -2 * MINUTE, 1000 * HOUR, -1000 * HOUR])
def test_F6_a_jump_is_noticed_at_once_and_until_it_is_taken_back(clocks: Clocks, jump: timedelta) -> None:
    clocks.wall += jump
    assert f"differs from PostgreSQL's by {jump.total_seconds():+.0f} s" in (clocks.guard.fault() or "")
    clocks.pass_(HOUR)
    assert clocks.compare() is not None
    clocks.wall -= jump
    assert clocks.guard.fault() is None, "also before it is compared again"
    assert clocks.compare() is None


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR])
def test_F6_a_database_whose_clock_jumps_stops_all_until_they_agree(clocks: Clocks, jump: timedelta) -> None:
    clocks.database += jump
    assert f"{-jump.total_seconds():+.0f} s" in (clocks.compare() or "")
    clocks.database -= jump
    assert clocks.compare() is None


@pytest.mark.parametrize("off", [2 * MINUTE, -2 * MINUTE])
def test_F6_a_clock_that_was_wrong_from_the_start_is_trusted_once_it_is_right(off: timedelta) -> None:
    clocks = Clocks()
    clocks.wall += off
    assert clocks.compare() is not None
    clocks.wall -= off
    assert clocks.guard.fault() is None
    assert clocks.compare() is None


def test_a_machine_that_was_paused_goes_on_once_the_clocks_are_compared(clocks: Clocks) -> None:
    """Its steady clock stood still."""
    clocks.wall += HOUR
    clocks.database += HOUR
    assert clocks.guard.fault() is not None
    assert clocks.compare() is None


def test_small_corrections_never_add_up_to_a_fault(clocks: Clocks) -> None:
    for _ in range(10):
        clocks.pass_(MINUTE)
        clocks.wall += timedelta(seconds=40)
        clocks.database += timedelta(seconds=40)
        assert clocks.compare() is None


def test_a_slow_answer_is_no_difference(clocks: Clocks) -> None:
    asked, answered = clocks.steady, clocks.database + MINUTE
    clocks.pass_(5 * MINUTE)
    clocks.guard.compare(asked, answered)
    assert clocks.guard.fault() is None


def test_F6_a_database_that_went_back_is_not_trusted_until_it_has_passed_its_newest_record(clocks: Clocks) -> None:
    """Both clocks may be those of one machine."""
    assert "PostgreSQL's clock is 3600 s before its last record" in (clocks.compare(NOW + HOUR) or "")
    assert clocks.compare() is not None, "a turn does not ask for the newest record"
    clocks.pass_(HOUR)
    assert clocks.compare(NOW + HOUR) is None


def test_an_alarm_is_given_once_and_taken_back_once(clocks: Clocks, caplog: pytest.LogCaptureFixture) -> None:
    for jump in (HOUR, -HOUR):
        clocks.wall += jump
        clocks.compare()
        clocks.compare()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_the_steady_clock_goes_on() -> None:
    first = steady_clock()
    assert steady_clock() >= first > 0


async def test_F6_an_act_waits_and_is_done_once_the_clock_is_right(clocks: Clocks) -> None:
    """It may become wrong while the events of the act are published."""
    done: list[Sequence[Task]] = []

    async def act(tasks: Sequence[Task]) -> Sequence[Outcome]:
        done.append(tasks)
        return [Done(task.data) for task in tasks]

    async def sent(_: float) -> None:
        clocks.wall += jump

    jump = HOUR
    effect = Effect(Act, act, after_events=True)
    nothing = AsyncMock()
    effects = Effects(
        "nowhere", KnownDatabase(), "toy", {"act": effect}, nothing, nothing, nothing, sent, clocks.guard.require
    )
    task = Task(uuid4(), "case", "act", Act(case_id="case", number="1"), NOW)
    (outcome,) = await effects._outcomes(effect, [task])
    assert isinstance(outcome, Retry)
    assert "differs from PostgreSQL's" in outcome.reason
    assert done == []
    jump = -HOUR
    assert await effects._outcomes(effect, [task]) == [Done(task.data)]

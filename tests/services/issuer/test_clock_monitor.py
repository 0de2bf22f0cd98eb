"""The monitor of the machine's clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from servicecert_issuer.effects.clock_monitor import ClockMonitor, steady_clock

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Clocks:
    """A machine's settable clock, its monotonic clock, and PostgreSQL's."""

    def __init__(self) -> None:
        self.wall = self.database = NOW
        self.steady = 1000.0
        self.monitor = ClockMonitor(MINUTE, lambda: self.wall, lambda: self.steady)

    def pass_(self, time: timedelta) -> None:
        self.wall += time
        self.database += time
        self.steady += time.total_seconds()

    def compare(self, last: datetime | None = None) -> str | None:
        self.monitor.compare(self.wall, self.database, last)
        return self.monitor.fault()


@pytest.fixture
def clocks() -> Clocks:
    made = Clocks()
    assert made.monitor.fault() is not None, "a clock that was not compared yet is not trusted"
    assert made.compare() is None
    return made


def test_time_that_passes_is_no_jump(clocks: Clocks) -> None:
    clocks.pass_(400 * 24 * HOUR)
    assert clocks.monitor.fault() is None
    assert clocks.compare() is None


@pytest.mark.parametrize("jump", [2 * MINUTE, -2 * MINUTE, 1000 * HOUR, -1000 * HOUR])
@pytest.mark.parametrize("with_database", [True, False], ids=["one machine", "two machines"])
def test_jump_stops_at_once_and_until_it_is_taken_back(clocks: Clocks, jump: timedelta, with_database: bool) -> None:
    clocks.wall += jump
    clocks.database += jump if with_database else timedelta()
    assert f"{jump.total_seconds():+.0f} s" in (clocks.monitor.fault() or "")
    clocks.pass_(HOUR)
    assert clocks.compare() is not None, "PostgreSQL's word alone does not make a jump right: it may be on this machine"
    clocks.wall -= jump
    clocks.database -= jump if with_database else timedelta()
    assert clocks.compare() is None


def test_small_corrections_never_add_up_to_a_jump(clocks: Clocks) -> None:
    for _ in range(10):
        clocks.pass_(MINUTE)
        clocks.wall += timedelta(seconds=40)
        clocks.database += timedelta(seconds=40)
        assert clocks.compare() is None


@pytest.mark.parametrize("off", [2 * MINUTE, -2 * MINUTE])
def test_clock_that_differs_from_postgresql_is_not_trusted(off: timedelta) -> None:
    clocks = Clocks()
    clocks.wall += off
    clocks.monitor = ClockMonitor(MINUTE, lambda: clocks.wall, lambda: clocks.steady)
    assert f"{off.total_seconds():+.0f} s" in (clocks.compare() or "")
    clocks.database += off
    assert clocks.compare() is None


def test_slow_answer_is_no_difference(clocks: Clocks) -> None:
    before, answered = clocks.wall, clocks.database
    clocks.pass_(5 * MINUTE)
    clocks.monitor.compare(before, answered + MINUTE, None)
    assert clocks.monitor.fault() is None


def test_clock_before_the_last_intent_is_not_trusted() -> None:
    clocks = Clocks()
    assert "before the last recorded intent" in (clocks.compare(NOW + HOUR) or "")
    clocks.pass_(HOUR)
    assert clocks.compare(NOW + HOUR) is None


async def test_metrics_show_it(clocks: Clocks) -> None:
    assert await clocks.monitor.gauge() == {"issuer": 0.0}
    clocks.wall += HOUR
    assert await clocks.monitor.gauge() == {"issuer": 1.0}


def test_steady_clock_goes_on() -> None:
    first = steady_clock()
    assert steady_clock() >= first > 0


@pytest.mark.parametrize("error", [OSError(), ValueError()])
async def test_database_that_does_not_answer_leaves_what_was_known(clocks: Clocks, error: Exception) -> None:
    class Away:
        async def fetchrow(self, _: str) -> None:
            raise error

    if isinstance(error, OSError):
        await clocks.monitor.poll(Away())
        assert clocks.monitor.fault() is None
    else:
        with pytest.raises(ValueError, match=r"^$"):
            await clocks.monitor.poll(Away())


async def test_alarm_is_given_once_and_taken_back_once(clocks: Clocks, caplog: pytest.LogCaptureFixture) -> None:
    class Asked:
        async def fetchrow(self, _: str) -> dict[str, datetime | None]:
            return {"now": clocks.database, "last": None}

    clocks.monitor._poll_seconds = 0.0
    watching = asyncio.create_task(clocks.monitor.watch(Asked()))
    for jump in (HOUR, -HOUR):
        clocks.wall += jump
        seen = len(caplog.records)
        async with asyncio.timeout(120):
            while len(caplog.records) == seen:  # noqa: ASYNC110  -- nothing else tells when it is logged
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    watching.cancel()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]

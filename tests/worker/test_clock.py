"""The worker's clock, and that it can run ahead: a deadline of months fires once for several workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from uuid import uuid4

import aiohttp
import pytest
from servicecert_worker.core.clock import clock_ahead
from servicecert_worker.core.decider import Due
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.record import Arrival
from servicecert_worker.core.traces import as_given
from servicecert_worker.runtime import leader
from servicecert_worker.runtime.environment import read
from servicecert_worker.runtime.leader import Leader
from servicecert_worker.runtime.settings import ProcessSettings, WorkerSettings
from toy.stand import Stand, eventually, numbered

pytestmark = pytest.mark.usefixtures("measured_processes")

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PLACES = {
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
    "DATABASE_URL": "postgresql://nowhere/none",
    "SERVICECERT_SERVICE_KEYS": "nowhere",
    "SERVICECERT_SERVICE_KEY_FILE": "nowhere/toy.key",
}


def test_a_clock_runs_ahead_of_another():
    assert clock_ahead(timedelta(days=1), lambda: NOW)() == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("written", "ahead"), [("P184D", timedelta(days=184)), ("PT2H", timedelta(hours=2)), ("90", timedelta(seconds=90))]
)
def test_how_far_it_runs_ahead_is_a_duration_or_seconds(written, ahead):
    assert WorkerSettings(**PLACES, SERVICECERT_CLOCK_AHEAD=written).clock_ahead == ahead


@pytest.mark.parametrize("written", ["-P1D", "half a year", "P200000D"])
def test_another_value_is_named_with_its_variable(written, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "k:1")
    monkeypatch.setenv("SERVICECERT_CLOCK_AHEAD", written)
    with pytest.raises(OperatorError, match=f'SERVICECERT_CLOCK_AHEAD is "{written}": a duration such as P184D or'):
        read(ProcessSettings)


async def test_E2_a_deadline_fires_once_for_workers_whose_clock_has_run_past_it(stand: Stand) -> None:
    case = uuid4()
    await stand.send(numbered(case, "1"))
    workers = [stand.work()]
    await stand.wait_handled(1)
    workers[0].stop(10)
    key = str(case)
    await stand.pool.execute(
        "insert into deadlines (key, kind, id, at) values ($1, 'wake', $2, now() + interval '6 months')", key, uuid4()
    )
    workers = [stand.work(SERVICECERT_CLOCK_AHEAD="P190D") for _ in range(3)]
    await stand.wait_until(
        "select not exists (select from deadlines) and (select (body::jsonb ->> 'woken')::int from tally) = 2"
    )
    files = [stand.health_file(number) for number in (1, 2, 3)]

    async def all_serve() -> bool:
        return all(file.exists() and file.read_text() for file in files)

    await eventually(all_serve)
    address = files[-1].read_text()
    async with aiohttp.ClientSession() as session:

        async def ready() -> bool:
            async with session.get(f"http://{address}/ready") as answer:
                return (await answer.text()).strip() == "ready, with a clock that runs 190 days, 0:00:00 ahead"

        await eventually(ready)
        async with session.get(f"http://{address}/metrics") as answer:
            assert 'servicecert_clock_ahead_seconds{service="toy"} 1.6416e+07' in await answer.text()
    assert [worker.stop(60) for worker in workers] == [0, 0, 0]
    assert await stand.fetchval("select (body::jsonb ->> 'woken')::int from tally") == 2
    assert "SERVICECERT_CLOCK_AHEAD" in workers[-1].tail(50)


@pytest.mark.parametrize(("variable", "value"), [("SERVICECERT_CLOCK_AHEAD", "P1D"), ("SERVICECERT_DIE_AT", "fetched")])
async def test_F3_what_is_for_trials_is_refused_with_production_keys(stand: Stand, variable: str, value: str) -> None:
    worker = stand.work(TOY_PRODUCTION="1", **{variable: value})
    assert worker.wait(120) == 78
    assert f"{variable} is for trials, and this CA is none" in worker.tail(20)


async def test_F5_deadlines_that_wait_for_topics_hide_no_others_and_let_none_pass_that_wait_too(
    stand: Stand, monkeypatch
) -> None:
    for number, kind in enumerate(["judge", "judge", "judge", "lapse", "late", "wake"]):
        insert = "insert into deadlines (key, kind, id, at) values ($1, $2, $3, $4)"
        await stand.pool.execute(insert, str(number), kind, uuid4(), NOW + timedelta(seconds=number))
    asked, now = list[datetime](), NOW + timedelta(hours=1)

    async def is_caught_up(_cluster: object, _service: str, _reads: object, until: datetime) -> bool:
        asked.append(until)
        return until <= now - timedelta(hours=2)

    monkeypatch.setattr(leader, "is_caught_up", is_caught_up)
    given = list[Due | Arrival]()
    hour = timedelta(hours=1)
    waits = {"judge": timedelta(minutes=1), "lapse": hour, "late": 2 * hour}
    leads = SimpleNamespace(
        service=SimpleNamespace(name="toy", reads=(), rules=SimpleNamespace(wait_for_topics=waits)),
        settings=SimpleNamespace(cluster=None),
        effects=SimpleNamespace(owner=0),
        telemetry=SimpleNamespace(sampler=as_given),
        guard=SimpleNamespace(require=lambda: None),
        pool=stand.pool,
        room=lambda: 2,
        give=given.extend,
        clock=lambda: now,
    )
    leads._waiting, leads._due = partial(Leader._waiting, leads), partial(Leader._due, leads)
    await Leader._poll(leads)
    assert [item.kind for item in given] == ["late", "wake"]
    assert asked == [now - 2 * hour, now - hour]
    await stand.pool.execute("delete from deadlines where kind <> 'wake'")
    asked.clear()
    await Leader._poll(leads)
    assert [item.kind for item in given[2:]] == ["wake"]
    assert asked == []

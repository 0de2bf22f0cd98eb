from dataclasses import replace

import pytest
from rich.console import Console
from servicecert_cli.stand.board import (
    HANDLED,
    MESSAGES,
    PARKED,
    PARTITIONS,
    READY,
    SECONDS,
    Rates,
    Row,
    board,
    idle_processes,
    look,
    rows,
)
from servicecert_cli.stand.supervision import Supervisor

ROW = Row("intake", 1, 2, restarts=3, handled=1_000, messages=12_345, oldest=6.5, intents=7, parked=2)


class Worker:
    """A process that runs until `end` is called."""

    alive = True
    returncode: int | None = None
    words = ""

    def end(self, status: int, words: str = "") -> None:
        self.alive, self.returncode, self.words = False, status, words

    def stop(self) -> None:
        self.end(0)

    def tail(self, lines: int) -> str:
        return self.words


class Workers:
    """Two workers of intake with given metrics."""

    workers = processes = ("intake", "intake-2")

    def __init__(self, **samples: dict[str, float]) -> None:
        self.children = {name: Worker() for name in self.workers}
        self.samples = samples

    def start(self, name: str) -> None:
        self.children[name] = Worker()

    async def metrics(self, name: str) -> dict[str, float]:
        return self.samples.get(name.replace("-", "_"), {})


async def test_a_service_is_the_sum_of_its_workers_and_what_waits_is_the_exporters():
    workers = Workers(
        intake={"servicecert_ready": 1, HANDLED: 10},
        intake_2={"servicecert_ready": 1, HANDLED: 20},
    )
    waiting = {"intake": {MESSAGES: 5, SECONDS: 2.5, PARKED: 4}, "issuer": {MESSAGES: 1}}
    found = rows(await look(workers), waiting, {"intake-2": 6})
    assert found[0] == Row("intake", 2, 2, restarts=6, handled=30, messages=5, oldest=2.5, intents=0, parked=4)
    assert [row.service for row in found] == ["intake", "issuer", "revoker", "notifier", "ocsp"]


def test_of_responders_the_answers_are_shown_and_nothing_waits():
    (row,) = rows({"ocsp": {READY: 1, "servicecert_ocsp_answers_total:good": 7}}, {}, {"ocsp": 2})[-1:]
    assert row.line(3.5) == "service ocsp, workers 1/1, restarts 2, events/s 3.5, events 7"


@pytest.mark.parametrize(
    ("name", "samples", "expected"),
    [
        ("issuer-2", {READY: 1.0, PARTITIONS: 12.0}, True),
        ("issuer-2", {READY: 1.0, PARTITIONS: 0.0}, False),
        ("issuer-2", {READY: 0.0, PARTITIONS: 12.0}, False),
        ("issuer-2", {}, False),
        ("ocsp-2", {READY: 1.0}, True),
        ("ocsp-2", {}, False),
    ],
)
def test_a_worker_works_once_it_is_ready_and_reads_partitions(name, samples, expected):
    assert (idle_processes({name: samples}) == []) is expected


def test_a_rate_is_what_came_since_the_last_look():
    rates = Rates()
    assert rates.of(ROW, 10.0) == 0
    assert rates.of(replace(ROW, handled=1_050), 12.0) == 25
    assert rates.of(replace(ROW, handled=0), 13.0) == 0, "a worker restarted"


def test_the_board_fits_80_columns():
    console = Console(width=80, record=True, force_terminal=True)
    console.print(board([(ROW, 123.4), (replace(ROW, service="notifier"), 0.0)], ["not ready: issuer-2"]))
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[-1] == "  not ready: issuer-2"
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == [
        "service",
        "workers",
        "restarts",
        "events/s",
        "events",
        "waiting",
        "oldest",
        "intents",
        "parked",
    ]
    assert lines[1].split() == ["intake", "1/2", "3", "123.4", "1000", "12345", "6.5", "s", "7", "2"]


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def supervisor(clock):
    return Supervisor(Workers(), lambda: clock[0])


def test_who_lives_is_left_alone(supervisor):
    assert supervisor.restart_dead() == []


def test_what_has_died_starts_at_once_and_is_counted(supervisor):
    supervisor._system.children["intake"].end(137)
    assert supervisor.restart_dead() == ["intake was ended by signal 9 and restarts at once."]
    assert supervisor._system.children["intake"].alive
    assert supervisor.restarts == {"intake": 1}


def test_what_dies_again_soon_waits_longer_each_time_and_is_told_once(supervisor, clock):
    lines = []
    for _ in range(3):
        supervisor._system.children["intake"].end(78, "intake: set X")
        lines += supervisor.restart_dead()
        assert supervisor.restart_dead() == []
        clock[0] += 5
        supervisor.restart_dead()
    assert lines == [
        "intake ended with status 78 (intake: set X) and restarts at once.",
        "intake ended with status 78 (intake: set X) and restarts in 2 s.",
        "intake ended with status 78 (intake: set X) and restarts in 4 s.",
    ]
    assert supervisor.restarts == {"intake": 3}


def test_a_defect_is_told_and_not_the_end_of_its_trace(supervisor):
    supervisor._system.children["intake"].end(70, "{}\nintake: ended by a defect: KeyError at x.py:1\nTraceback\n  ^^^")
    (line,) = supervisor.restart_dead()
    assert line == "intake ended with status 70 (intake: ended by a defect: KeyError at x.py:1) and restarts at once."


def test_what_worked_for_a_while_starts_at_once_again(supervisor, clock):
    for _ in range(3):
        supervisor._system.children["intake-2"].end(70, '{"event": "a line of its log"}')
        assert supervisor.restart_dead() == ["intake-2 ended with status 70 and restarts at once."]
        clock[0] += 60

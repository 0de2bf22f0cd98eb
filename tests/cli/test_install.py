"""`servicecert install check` on an installation that is made step by step."""

from __future__ import annotations

import re

from servicecert_cli.commands.install import STEPS
from servicecert_cli.watching.doctor.examine import CATALOGUE


def next_step(servicecert) -> tuple[str, str]:
    """Return the step that the command stops at, and what it says to do."""
    done = servicecert("install", "check")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    (number,) = (number for number, line in enumerate(lines) if "  to do  " in line)
    assert len(lines) <= number + 3
    return re.split("  +", lines[number].strip())[1], lines[-1].strip()


def test_each_step_is_one_of_the_doctors_and_none_is_twice() -> None:
    names = [name for names in STEPS.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) <= CATALOGUE.keys()


def test_it_stops_at_the_first_fault_and_says_what_to_do(servicecert, empty_cluster, admin_url, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert next_step(servicecert)[0] == "Kafka"
    for name, value in empty_cluster.environment.items():
        monkeypatch.setenv(name, value)
    step, remedy = next_step(servicecert)
    assert (step, "servicecert topics create" in remedy) == ("topics", True)
    assert servicecert("topics", "create").exit_code == 0
    step, remedy = next_step(servicecert)
    # The tests' PostgreSQL does not wait for its disk.
    assert (step, "fsync" in remedy) == ("PostgreSQL", True)

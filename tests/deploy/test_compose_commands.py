"""Every command of docker-compose.yml exists in `servicecert`, with its arguments and environment."""

import shlex
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from servicecert_cli.main import main

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def words_of(service: dict[str, Any]) -> list[str]:
    """What follows `servicecert` in a service's command, also within a shell's."""
    parts = (part.replace("&&", "\n").replace("$$each", "intake") for part in service["command"])
    words = [word for part in parts for word in shlex.split(part)]
    ours = words[words.index("servicecert") + 1 :]
    return list(takewhile(lambda word: word not in ("exec", "||"), ours))


@pytest.mark.parametrize("name", OURS)
def test_its_command_exists_and_takes_its_arguments(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable, value in OURS[name].get("environment", {}).items():
        # A folder of the container is one that exists there.
        monkeypatch.setenv(variable, str(tmp_path) if value.startswith("/var/lib/") else value)
    command: click.Command = main
    words = words_of(OURS[name])
    while isinstance(command, click.Group):
        word, *words = words
        found = command.get_command(click.Context(command), word)
        assert found is not None, f"there is no {word}"
        command = found
    command.make_context(str(command.name), words)

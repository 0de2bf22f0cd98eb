import importlib
import subprocess
import sys

import pytest
from commandline import LEAVES
from servicecert_cli.main import SENTENCES


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=" ".join)
def test_every_command_has_help_with_an_example_in_80_columns(servicecert, path):
    shown = servicecert(*path, "--help")
    assert shown.exit_code == 0
    assert "Example" in shown.stdout
    assert f"servicecert {path[0]}" in shown.stdout.split("Example")[1]
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", SENTENCES)
def test_the_list_of_commands_says_what_each_command_says_first(name):
    command = importlib.import_module(f"servicecert_cli.commands.{name.replace('-', '_')}").command
    assert (command.help or "").splitlines()[0] == SENTENCES[name]


def test_help_lists_every_command(servicecert):
    shown = servicecert("--help").stdout
    assert all(f"  {name} " in shown for name in SENTENCES)


def test_help_is_quick_since_it_loads_none_of_the_large_libraries():
    large = {"aiokafka", "asyncpg", "pydantic", "cryptography", "rich"}
    code = f"import sys, servicecert_cli.main; print(*{large} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_an_unknown_command_is_wrong_usage(servicecert):
    assert servicecert("frobnicate").exit_code == 2


def test_what_nobody_foresaw_is_not_hidden(servicecert, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("servicecert_cli.commands.submit.example_text", fail)
    with pytest.raises(ZeroDivisionError):
        servicecert("submit", "--example", "server")

"""What commands print for programs: a test reads it, with numbers or rows in it, for each command that has `--json`."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from commandline import LEAVES
from servicecert_cli.terminal.output import print_json

CLI = Path(__file__).parent


def words_read() -> Iterator[tuple[str, ...]]:
    """Yield the words of each command that a test hands to `read_json`."""
    for file in CLI.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "read_json":
                for call in ast.walk(node.args[0]):
                    if isinstance(call, ast.Call):
                        yield tuple(str(each.value) for each in call.args if isinstance(each, ast.Constant))


READ = list(words_read())


@pytest.mark.parametrize(
    "path",
    [path for path, command in LEAVES if any(each.name == "as_json" for each in command.params)],
    ids=" ".join,
)
def test_what_each_command_prints_for_programs_is_read_with_rows_in_it(path):
    assert any(words[: len(path)] == path and "--json" in words for words in READ)


@dataclass(frozen=True, slots=True)
class Row:
    id: UUID
    at: datetime
    counts: Counter[str]
    names: frozenset[str]
    inner: Row | None = None


def test_any_row_is_printed_as_what_it_is(capsys):
    row = Row(UUID(int=1), datetime(2026, 3, 2, tzinfo=UTC), Counter({"a": 2}), frozenset({"y", "x"}))
    print_json([Row(UUID(int=2), row.at, Counter(), frozenset(), row)])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["inner"] == {
        "id": str(UUID(int=1)),
        "at": "2026-03-02 00:00:00+00:00",
        "counts": {"a": 2},
        "names": ["x", "y"],
        "inner": None,
    }

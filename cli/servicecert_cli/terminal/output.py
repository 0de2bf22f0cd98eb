"""Prints tables and lines for people, JSON for programs.

Stored records hold what others wrote. A control or invisible character of theirs is printed escaped, never as it is: it
could move the cursor, hide a line or type a command.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

import click
from servicecert_schemas.characters import is_visible


def escaped(text: str, keep: str = "\n") -> str:
    r"""Return text for a terminal: a control, direction or other invisible character is shown as `\x1b` or `\u202e`.

    Those in `keep` stay, and a printable text is the same.
    """
    return "".join(each if each in keep or is_visible(each) else ascii(each)[1:-1] for each in text)


def print_json(facts: Any) -> None:
    """Print one JSON document on one line; of a dataclass its fields, of a set its members in order."""
    print_json_text(json.dumps(facts, ensure_ascii=False, default=_as_json))


def _as_json(value: Any) -> Any:
    if is_dataclass(value):
        return fields_of(value)
    return sorted(value) if isinstance(value, Set) else str(value)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, as they are: `asdict` of Python 3.11 makes nonsense of a Counter."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def print_json_text(text: str) -> None:
    click.echo("".join(each if is_visible(each) else json.dumps(each)[1:-1] for each in text))


def print_text(text: str) -> None:
    click.echo(escaped(text))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table without rules, its head dim. None is a dash, a moment has its minute; numbers are right-aligned."""
    found = list(rows)
    table = [tuple(head), *(tuple(map(_cell, row)) for row in found)]
    right = {column for row in found for column, cell in enumerate(row) if isinstance(cell, int | float)}
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, row in enumerate(table):
        cells = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.secho("   ".join(cells).rstrip(), dim=number == 0)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.1f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return escaped(str(value), keep="")


def print_rows(
    as_json: bool, facts: Any, head: Sequence[str], rows: Iterable[Sequence[object]], sentence: str = ""
) -> None:
    """Print the facts for programs; for people a table, if it has a row, and below it the sentence."""
    if as_json:
        print_json(facts)
        return
    if found := list(rows):
        print_table(head, found)
    if sentence:
        print_text(sentence)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print a table of facts, without those that are None."""
    print_table(("", ""), [(name, str(fact)) for name, fact in facts.items() if fact is not None])


def say(as_json: bool, facts: Any, sentence: str) -> None:
    """Print the facts for programs, or the sentence for people."""
    print_rows(as_json, facts, (), (), sentence)


def at_work(doing: str) -> AbstractContextManager[object]:
    """Return what shows on a terminal's standard error that a long command works, and elsewhere nothing."""
    from rich.console import Console

    return Console(stderr=True).status(f"{doing} …", spinner_style="cyan")


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")

"""What commands print: tables and lines for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console

WIDTH = 80


def console() -> Console:
    """Standard output. Colours on a terminal only, and 80 columns where nothing says how many there are."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=int(os.environ.get("COLUMNS", WIDTH)))


def print_json(facts: Any) -> None:
    """One JSON document on one line."""
    click.echo(json.dumps(facts, ensure_ascii=False, default=str))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """A table without lines, its head dim on a terminal; `right` names the columns of numbers."""
    table = [tuple(head), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, row in enumerate(table):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.secho("   ".join(cells).rstrip(), dim=number == 0)


def say(as_json: bool, facts: Any, sentence: str) -> None:
    """The facts for programs, or the sentence for people."""
    if as_json:
        print_json(facts)
    else:
        click.echo(sentence)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")

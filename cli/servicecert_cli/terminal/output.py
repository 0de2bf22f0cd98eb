"""Prints tables and lines for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console

WIDTH = 80


def console() -> Console:
    """Return standard output: colours on a terminal only, 80 columns unless COLUMNS is set."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=int(os.environ.get("COLUMNS", WIDTH)))


def print_json(facts: Any) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(facts, ensure_ascii=False, default=str))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print a table without rules, its head dim on a terminal; `right` are the right-aligned columns."""
    table = [tuple(head), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, row in enumerate(table):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.secho("   ".join(cells).rstrip(), dim=number == 0)


def say(as_json: bool, facts: Any, sentence: str) -> None:
    """Print the facts for programs, or the sentence for people."""
    if as_json:
        print_json(facts)
    else:
        click.echo(sentence)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")

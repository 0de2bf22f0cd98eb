"""What commands print: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

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
    """A table without lines; `right` names the columns of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, title in enumerate(head):
        table.add_column(title, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text for people.")

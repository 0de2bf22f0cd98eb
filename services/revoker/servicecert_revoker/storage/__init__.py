"""The revoker's tables, and its SQL statements by name."""

from collections.abc import Sequence
from typing import Any

from servicecert_worker.storage import read_queries

QUERIES = read_queries(__package__)


def columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    """Return rows as a statement's arrays, `count` of them also where there are no rows."""
    return list(zip(*rows, strict=True)) if rows else [()] * count

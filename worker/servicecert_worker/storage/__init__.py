"""PostgreSQL: connections, migrations, and statements by name, from a package's file `queries.sql`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def read_queries(package: str) -> Mapping[str, str]:
    """Return the statements of the package's `queries.sql`, each by the name in the line `-- name: …` before it.

    Raises `ValueError` if a name is used twice, or there is text before the first name.
    """
    text = (files(package) / "queries.sql").read_text(encoding="utf-8")
    before, *rest = _NAME.split(text)
    names, statements = rest[::2], rest[1::2]
    if before.strip() or len(set(names)) != len(names):
        raise ValueError(f"{package}: each statement of queries.sql needs a unique name")
    return MappingProxyType({name: statement.strip() for name, statement in zip(names, statements, strict=True)})


def columns(rows: Iterable[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    """Return rows as a statement's arrays, `count` of them also where there are no rows."""
    return list(zip(*rows, strict=True)) or [()] * count


QUERIES = read_queries(__package__)

"""Statements of SQL by name, from the one file `queries.sql` of a package."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def read_queries(package: str) -> Mapping[str, str]:
    """Return the statements of the package's `queries.sql`, each by the name in the line `-- name: …` before it.

    Raises `ValueError` where a name is given twice, or text stands before the first name.
    """
    text = (files(package) / "queries.sql").read_text(encoding="utf-8")
    before, *rest = _NAME.split(text)
    names, statements = rest[::2], rest[1::2]
    if before.strip() or len(set(names)) != len(names):
        raise ValueError(f"{package}: each statement of queries.sql needs a name of its own")
    return MappingProxyType({name: statement.strip() for name, statement in zip(names, statements, strict=True)})

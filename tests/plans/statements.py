"""Every statement of the project: those with names, and those inline in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from servicecert_cli.watching.doctor import facts
from servicecert_schemas.topics import SERVICES
from servicecert_worker import storage

ROOT = Path(__file__).parents[2]
CODE = ("worker", "services", "cli")
_SQL = re.compile(
    r"\s*(--[^\n]*\n\s*)*(with\s+(recursive\s+)?\w+(\s*\([^)]*\))?\s+as\s|select\s|insert\s+into\s|update\s+\w+.*\sset\s|delete\s+from\s)",
    re.IGNORECASE | re.DOTALL,
)
_DEFINITION = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Statement:
    """A statement, where it is from, and the schemas of which one has its tables. `{}` in it is a schema."""

    name: str
    text: str
    schemas: tuple[str, ...]

    def within(self, schema: str) -> str:
        """Return the statement for a schema, with PostgreSQL's parameters."""
        text = re.sub(r"\{0?\}", schema, self.text)
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
        text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", text)
        count = iter(range(len(names) + 1, 100))
        return re.sub(r"%s", lambda _: f"${next(count)}", text)


def statements() -> list[Statement]:
    """Return all statements; each must be explained."""
    return [*named(), *inline()]


def named() -> Iterator[Statement]:
    """Yield the statements of each `queries.sql`."""
    yield from _of("worker", storage.QUERIES, SERVICES[:1])
    yield from _of("doctor", facts.QUERIES, SERVICES)
    for service in SERVICES:
        yield from _of(service, import_module(f"servicecert_{service}.storage").QUERIES, (service,))


def inline() -> Iterator[Statement]:
    """Yield what begins like a statement among the strings in Python, but docstrings."""
    for folder in CODE:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for text in _strings(ast.parse(file.read_text())):
                if _SQL.match(text):
                    yield Statement(f"{file.relative_to(ROOT)}: {' '.join(text.split())[:40].strip()}", text, SERVICES)


def _of(owner: str, queries: Mapping[str, str], schemas: tuple[str, ...]) -> Iterator[Statement]:
    for name, text in queries.items():
        yield Statement(f"{owner}/{name}", text, schemas)


def _strings(tree: ast.AST) -> Iterator[str]:
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITION) and node.body and isinstance(node.body[0], ast.Expr):
            left_out.add(id(node.body[0].value))
        elif isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

"""What the code says: its strings, to compare with what the pages quote."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from docs.pages import CHECKOUT

PACKAGE_FOLDERS = ("schemas", "worker", "pki", "services", "cli", "launcher", "monitoring", "deploy")


def is_said(sentence: str) -> bool:
    """Return whether a string of the code has this text; `…` stands for any text."""
    parts = [part for part in sentence.split("…") if part.strip(" .:")]
    return bool(parts) and any(_in_order(parts, text) for text in _strings())


def _in_order(parts: list[str], text: str) -> bool:
    index = 0
    for part in parts:
        index = text.find(part, index)
        if index < 0:
            return False
        index += len(part)
    return True


@cache
def _strings() -> tuple[str, ...]:
    """Return all strings of the code, with … for values."""
    return tuple(
        text
        for folder in PACKAGE_FOLDERS
        for path in sorted((CHECKOUT / folder).rglob("*.py"))
        for text in _texts(ast.parse(path.read_text()))
    )


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%(?:\.\d)?[sdf]", "…", node.value)

"""What stands below a field in the source is its meaning, for documents that need no Python.

It is read where a document is made: pydantic's `use_attribute_docstrings` takes 20 ms of each class at each start of a
service.
"""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from sys import modules

from . import values


def meanings(of: type) -> dict[str, str]:
    """Return the meaning of each field of a class and its bases: its own, or that of its type among the `values`."""
    types = {name: text for name, _, text in _named(_parsed(values.__name__).body)}
    found: dict[str, str] = {}
    for each in reversed(of.__mro__):
        if each.__module__.startswith("servicecert_"):
            for name, kinds, text in _named(_body(each)):
                if meaning := text or next((types[kind] for kind in kinds if types.get(kind)), None):
                    found[name] = meaning
    return found


@cache
def _parsed(module: str) -> ast.Module:
    return ast.parse(Path(str(modules[module].__file__)).read_text())


def _body(of: type) -> list[ast.stmt]:
    nodes = ast.walk(_parsed(of.__module__))
    return next(node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == of.__name__)


def _named(body: Sequence[ast.stmt]) -> Iterator[tuple[str, list[str], str]]:
    """Yield each name that has a type or a value, with the names in its type, and the text below it."""
    for node, below in pairwise((*body, ast.Pass())):
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), annotation=kind)
                | ast.Assign(targets=[ast.Name(id=name)], value=kind)
            ):
                parts = list(ast.walk(kind))
                kinds = [each.id for each in parts if isinstance(each, ast.Name)]
                kinds += [each.attr for each in parts if isinstance(each, ast.Attribute)]
                match below:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        yield name, kinds, " ".join(text.split())
                    case _:
                        yield name, kinds, ""

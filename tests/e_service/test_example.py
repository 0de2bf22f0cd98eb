"""The example of an e-service is another team's: it stands on the contract alone, and its own tests pass."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from e_service.environment import CHECKOUT, EXAMPLE, WEB, made, passes

CODE = [path for path in EXAMPLE.rglob("*.py") if ".venv" not in path.parts]
MOST_LINES = 2_500
STEPS = (
    "How you connect",
    "One application, from Python",
    "How the cases stand, from Python",
    "What each state means",
    "Revoking",
    "How errors come back",
)
"""The headings of docs/for-the-e-service.md that say what an e-service does."""
WIRING = {"__init__.py", "__main__.py", "app.py", "database.py", "settings.py", "texts.py"}
"""What no step of the contract is in."""


def imported(path: Path) -> set[str]:
    """Return the first words of the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names}


def test_it_imports_nothing_of_ours_but_the_package_of_the_events() -> None:
    found = set().union(*map(imported, CODE))
    assert {name for name in found if name.startswith("servicecert")} == {"servicecert_schemas"}
    assert not found & {"conftest", "cli", "worker"}


def test_nothing_of_ours_imports_it() -> None:
    parts = ("schemas", "worker", "pki", "services", "cli", "launcher", "monitoring")
    ours = [path for part in parts for path in (CHECKOUT / part).rglob("*.py")]
    assert not {"portal", "provider"} & set().union(*map(imported, ours))


def test_it_stays_an_example() -> None:
    assert sum(len(path.read_text().splitlines()) for path in CODE) <= MOST_LINES
    assert len((EXAMPLE / "portal" / "static" / "style.css").read_text().splitlines()) <= 600


def test_the_products_packages_do_not_grow_with_it() -> None:
    product = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    example = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    both = {"servicecert-schemas", "cryptography", "faststream", "jinja2", "tzdata", "uvicorn"}
    names = [{text.split("[")[0].split("~")[0] for text in each["dependencies"]} for each in (product, example)]
    assert names[0] & names[1] == both


def test_the_page_for_its_developers_points_at_the_code_of_each_step() -> None:
    page = (CHECKOUT / "docs" / "for-the-e-service.md").read_text()
    parts = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    events = [row for row in parts["What you write and read"].splitlines() if row.startswith("| `")]
    steps = [*events, *(parts[name] for name in STEPS)]
    assert len(events) == 6
    assert [step for step in steps if "](../examples/e_service/portal/" not in step] == []
    readme = (EXAMPLE / "README.md").read_text()
    modules = {path.name for path in (EXAMPLE / "portal").glob("*.py")} - WIRING
    assert {name for name in modules if f"portal/{name}" not in readme} == set()


def test_its_own_tests_pass_in_its_own_environment() -> None:
    made()
    passes(WEB)

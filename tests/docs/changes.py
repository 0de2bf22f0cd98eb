"""A copy of the checkout, to be changed as a page says and then run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

from docs.pages import CHECKOUT

from docs import pages

PACKAGE_FOLDERS = ("schemas", "worker", "pki", "services", "cli")
PATHS = ("schemas", "worker", "pki", *(f"services/{name.name}" for name in (CHECKOUT / "services").iterdir()), "cli")
PAGE = CHECKOUT / "docs" / "development.md"


class Copy:
    """A copy of the product's packages. Only `edit`, `add` and programs run by `python` change it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PACKAGE_FOLDERS:
            copytree(CHECKOUT / name, folder / name)

    def edit(self, path: str, before: str, after: str) -> None:
        """Replace a text that occurs once in a file."""
        text = (self.folder / path).read_text()
        assert text.count(before) == 1, f"{path} has {text.count(before)} times: {before}"
        (self.folder / path).write_text(text.replace(before, after))

    def add(self, path: str, text: str) -> None:
        """Write a new file."""
        with (self.folder / path).open("x") as file:
            file.write(text)

    def python(self, *arguments: str, seconds: int = 120, fails: int = 0) -> str:
        """Return the output of Python, which ends with this code, with the copy's packages first on its path."""
        places = [*(str(self.folder / path) for path in PATHS), str(CHECKOUT / "tests")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert result.returncode == fails, f"{result.stdout}\n{result.stderr}"
        return result.stdout

    def changed(self) -> set[Path]:
        """Return the files that differ from the checkout, relative to it."""
        return {path for path in self._files() if not _same(CHECKOUT / path, self.folder / path)}

    def _files(self) -> Iterator[Path]:
        for path in self.folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(self.folder)


class ProbedCopy(Copy):
    """A copy whose behaviour can be probed."""

    def probe(self, what: str, *arguments: str) -> Any:
        return json.loads(self.python("-m", "docs.probe", what, *arguments))

    def export(self) -> None:
        self.python("-m", "servicecert_schemas.export")

    def require_passing(self, *tests: str) -> None:
        """Run tests of the checkout, by the arguments of pytest, on the product of the copy."""
        config = str(CHECKOUT / "pyproject.toml")
        places = (str(CHECKOUT / each) if each.startswith("tests/") else each for each in tests)
        # Long ones make packages of the checkout, not of the copy.
        brief = ("-m", "not long")
        assert " passed" in self.python("-m", "pytest", "-q", "-c", config, *brief, *places, seconds=600)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and one.read_bytes() == other.read_bytes()


def named(heading: str) -> set[Path]:
    """Return the product's paths that the steps under a heading of the page link to, relative to the checkout."""
    paths = {
        (PAGE.parent / link.partition("#")[0]).resolve().relative_to(CHECKOUT)
        for step in pages.steps(PAGE, heading)
        for link in pages.links_in(step)
    }
    return {path for path in paths if path.parts[0] in PACKAGE_FOLDERS}


def assert_followed(heading: str, copy: Copy) -> None:
    """Assert that the changed files are those that the steps name: each file, and at least one in each folder."""
    steps, changed = named(heading), copy.changed()
    unnamed = {path for path in changed if path not in steps and not steps & set(path.parents)}
    assert not unnamed, f"no step under {heading!r} names {unnamed}"
    idle = {path for path in steps if path not in changed and not any(path in each.parents for each in changed)}
    assert not idle, f"the steps under {heading!r} name {idle}, where nothing had to be changed"

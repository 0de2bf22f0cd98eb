"""The last released version, taken from the history of the checkout, so that its code can be run beside this one's.

A release is the commit that adds its schemas, `schemas/released/<version>/`. RELEASED in the environment names another
commit: `RELEASED=v1.0.2 .venv/bin/pytest tests/journeys/test_rolling_upgrade.py`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from docs.changes import PACKAGE_FOLDERS, PATHS
from docs.pages import CHECKOUT

SCHEMAS = "schemas/released"


@cache
def version() -> str:
    """Return the number of the last release."""
    folders = (path.name for path in (CHECKOUT / SCHEMAS).iterdir() if path.is_dir())
    return max(folders, key=lambda name: tuple(map(int, name.split("."))))


@cache
def commit() -> str:
    """Return the commit of the last release. Skips the test where the checkout has no history."""
    if named := os.environ.get("RELEASED"):
        return named
    if _git("rev-parse", "--is-shallow-repository").strip() != b"false":
        pytest.skip("a shallow clone, or a copy without git, has no code of the last release")
    found = _git("log", "--diff-filter=A", "--format=%H", "--reverse", "--", f"{SCHEMAS}/{version()}/").split()
    if not found:
        pytest.skip(f"the schemas of {version()} are in no commit yet")
    return found[0].decode()


def read(path: str) -> str | None:
    """Return a file of the last release, None if it has none of this name."""
    return _git("show", f"{commit()}:{path}").decode() if path in files() else None


@cache
def files() -> frozenset[str]:
    """Return the names of the files of the last release."""
    return frozenset(_git("ls-tree", "-r", "--name-only", commit()).decode().splitlines())


@dataclass(frozen=True, slots=True)
class Code:
    """The packages of a version in a folder. The libraries are those of this environment."""

    folder: Path

    @staticmethod
    def released(folder: Path) -> Code:
        """Write the packages of the last release into a new folder."""
        with ZipFile(BytesIO(_git("archive", "--format=zip", commit(), *PACKAGE_FOLDERS))) as archive:
            archive.extractall(folder)
        return Code(folder)

    def path(self, *before: Path) -> str:
        """Return the PYTHONPATH of its processes, with folders before it."""
        return os.pathsep.join([*map(str, before), *(str(self.folder / each) for each in PATHS)])


def _git(*arguments: str) -> bytes:
    """Return the output of git in the checkout; empty if it fails."""
    return subprocess.run(["git", "-C", CHECKOUT, *arguments], capture_output=True, check=False).stdout

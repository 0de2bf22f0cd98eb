"""The example of an e-service, and its own environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "examples" / "e_service"
WEB = Path(__file__).parent / "web"
PYTHON = EXAMPLE / ".venv" / "bin" / "python"


def made(mark: str = ".ready") -> Path:
    """Return the Python of the example's environment. Skip the test where it cannot be made."""
    ready = PYTHON.parents[1] / mark
    # Two tests may want it at once.
    command = ["flock", "Makefile", "make", ready.relative_to(CHECKOUT)]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip(f"examples/e_service was not run, since its packages cannot be had: {result.stderr[-300:]}")
    return PYTHON


def passes(folder: Path, *tests: str) -> None:
    """Assert that tests of a folder pass in the example's environment."""
    command = [str(PYTHON), "-m", "pytest", "-q", "-c", "pyproject.toml", f"--confcutdir={folder}"]
    paths = [str(folder / each) for each in tests] or [str(folder)]
    result = subprocess.run([*command, *paths], cwd=EXAMPLE, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "skipped" not in result.stdout

"""The example of an e-service, and its own environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "examples" / "e_service"
WEB = Path(__file__).parent / "web"
PYTHON = EXAMPLE / ".venv" / "bin" / "python"


def made() -> Path:
    """Return the Python of the example's environment. Skip the test where it cannot be made."""
    ready = PYTHON.parents[1] / ".ready"
    result = subprocess.run(["make", ready.relative_to(CHECKOUT)], cwd=CHECKOUT, capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip(f"examples/e_service was not run, since its packages cannot be had: {result.stderr[-300:]}")
    return PYTHON

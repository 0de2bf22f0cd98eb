"""The example of an e-service in Debian's Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from e_service.environment import made, passes

BROWSER = Path(__file__).parent / "browser"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not Path("/usr/bin/chromium").exists() or not shutil.which("npm"),
        reason="no page was opened in a browser, since this machine lacks Debian's packages chromium and npm",
    ),
]


def test_every_page_is_accessible_in_every_state_and_language() -> None:
    made(".browser")
    passes(BROWSER, "test_scenes.py")


def test_a_customer_goes_all_ways_in_a_browser() -> None:
    made(".browser")
    passes(BROWSER, "test_journeys.py")

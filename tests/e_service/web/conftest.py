"""The e-service and its provider in this process, each over its own name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browsers import PORTAL, PROVIDER, Browser, Site, make_people, opened_site
from starlette.applications import Starlette


@pytest.fixture
def limits() -> dict[str, Any]:
    """The limits of the site, which a test may lower."""
    return {"logins_per_minute": 1_000}


@pytest.fixture(scope="session")
def provider() -> Starlette:
    return make_people(PORTAL, PROVIDER)


@pytest_asyncio.fixture
async def site(tmp_path: Path, limits: dict[str, Any], provider: Starlette) -> AsyncIterator[Site]:
    async with opened_site(tmp_path, provider, **limits) as site:
        yield site


@pytest_asyncio.fixture
async def colleague(site: Site) -> Browser:
    """Saga, logged in, with the account that she opened."""
    browser = site.browser()
    await browser.login("saga")
    return browser

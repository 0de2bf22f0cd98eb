"""The e-service and its provider in this process, each over its own name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from browsers import ORGANISATIONS, PORTAL, PROVIDER, Browser, Site
from portal.app import make_app, make_portal
from portal.database import Database
from portal.settings import Settings
from provider.app import Client
from provider.app import make_app as make_provider
from starlette.applications import Starlette


@pytest.fixture
def limits() -> dict[str, Any]:
    """The limits of the site, which a test may lower."""
    return {"logins_per_minute": 1_000}


@pytest.fixture(scope="session")
def provider() -> Starlette:
    return make_provider(PROVIDER, Client("portal", "secret", f"{PORTAL}/login/callback"))


@pytest_asyncio.fixture
async def site(tmp_path: Path, limits: dict[str, Any], provider: Starlette) -> AsyncIterator[Site]:
    settings = Settings(
        base_url=PORTAL,
        folder=tmp_path,
        code_service=ORGANISATIONS,
        provider=PROVIDER,
        client_id="portal",
        client_secret="secret",
        transport=httpx.ASGITransport(provider),
        **limits,
    )
    async with Database.open(tmp_path / "portal.sqlite") as database:
        portal = make_portal(settings, database)
        mounts = {
            PORTAL: httpx.ASGITransport(make_app(portal), raise_app_exceptions=False),
            PROVIDER: httpx.ASGITransport(provider),
        }
        site = Site(portal, lambda: httpx.AsyncClient(base_url=PORTAL, mounts=mounts, follow_redirects=True))
        yield site
        for client in site.browsers:
            await client.aclose()


@pytest_asyncio.fixture
async def colleague(site: Site) -> Browser:
    """Saga, logged in, with the account that she opened."""
    browser = site.browser()
    await browser.login("saga")
    return browser

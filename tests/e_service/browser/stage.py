"""The e-service and its provider over HTTP, without Kafka: what the authority publishes is put in."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import uvicorn
from browsers import APPLICATIONS, CHECKOUT, Browser, Site, make_people, settings_of
from chromium import opened_context
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page
from portal.app import make_app, make_portal
from portal.database import Database
from portal.views import store
from servicecert_schemas import CaseChanged
from starlette.exceptions import HTTPException
from starlette.routing import Route

RECORDED = [
    json.loads(value)
    for line in (CHECKOUT / "schemas/packages/cases.jsonl").read_text().splitlines()
    if (value := json.loads(line)["value"])
]
"""The views of a recorded stream, which has every state with its texts."""
Act = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """A page in a state: whose browser, the path without its language, and what they do there first."""

    name: str
    person: str
    path: str
    act: Act | None = None


@dataclass
class Stage:
    """The site over HTTP, its people, and their cases."""

    site: Site
    url: str
    people: dict[str, Browser] = field(default_factory=dict)
    contexts: dict[str, BrowserContext] = field(default_factory=dict)
    versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def login(self, name: str, person: str, level: str = "high") -> Browser:
        browser = self.people[name] = self.site.browser()
        await browser.login(person, level)
        return browser

    async def show(self, account: str, case: str, state: str, **more: Any) -> None:
        """Put in the newest recorded view of a state, as one of this case."""
        known = [each for each in RECORDED if each.get("state") == state and each["language"] == "sv"]
        about = {"case_id": case, "account_id": account, "version": next(self.versions), "state": state}
        stored = known[-1] if known else RECORDED[0]
        view = CaseChanged.model_validate_json(json.dumps({**stored, **about, **more}))
        await store(self.site.portal.database, view)
        self.site.portal.changes.tell(str(UUID(case)))

    @asynccontextmanager
    async def page(self, chromium: Chromium, scene: Scene, language: str) -> AsyncIterator[Page]:
        """Open a scene in the browser of its person."""
        name = f"{scene.person} {language}"
        if name not in self.contexts:
            self.contexts[name] = await opened_context(chromium, self.url, language)
            if person := self.people.get(scene.person):
                (cookie,) = person.client.cookies.jar
                await self.contexts[name].add_cookies([{"name": cookie.name, "value": cookie.value, "url": self.url}])
        async with await self.contexts[name].new_page() as page:
            await page.goto(f"/{language}{scene.path}", wait_until="domcontentloaded")
            if scene.act:
                await scene.act(page)
                await page.wait_for_load_state()
            yield page


@asynccontextmanager
async def opened_stage(folder: Path) -> AsyncIterator[Stage]:
    """Serve an e-service and its provider, with no case yet."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    url, provider = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in listeners)
    people = make_people(url, provider)
    async with Database.open(folder / "portal.sqlite") as database:
        portal = make_portal(
            settings_of(folder, people, url, provider, ca_certificates=folder, examples=APPLICATIONS), database
        )
        app = make_app(portal)
        app.router.routes.insert(0, Route("/{language}/failed/{status:int}", _fail))
        configs = [uvicorn.Config(each, log_level="warning", timeout_graceful_shutdown=1) for each in (app, people)]
        servers = [uvicorn.Server(config) for config in configs]
        async with asyncio.TaskGroup() as serving:
            for server, listener in zip(servers, listeners, strict=True):
                serving.create_task(server.serve([listener]))
            stage = Stage(Site(portal, lambda: httpx.AsyncClient(base_url=url, follow_redirects=True)), url)
            yield stage
            for client in stage.site.browsers:
                await client.aclose()
            for server in servers:
                server.should_exit = True


async def _fail(request: Any) -> None:
    raise HTTPException(request.path_params["status"])

"""Browsers at the e-service and its provider, without a network and without Kafka. What intake publishes is put in."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
from portal.app import make_app, make_portal
from portal.database import Database
from portal.pages import Portal
from portal.settings import Settings
from portal.views import store
from provider.app import Client
from provider.app import make_app as make_provider
from servicecert_schemas import CaseChanged, Record
from starlette.applications import Starlette

CHECKOUT = Path(__file__).parents[3]
ORGANISATIONS = CHECKOUT / "cli" / "servicecert_cli" / "registers" / "fictitious" / "organisations.csv"
APPLICATIONS = CHECKOUT / "cli" / "servicecert_cli" / "operations" / "examples"
EXAMPLES = CHECKOUT / "schemas" / "servicecert_schemas" / "exported" / "examples"
PORTAL, PROVIDER = "http://portal.test", "http://provider.test"

SERVER = {
    "unit_long_name": "Sagouddens hälsostation",
    "names.dns": "kanta.sagoudden.example.fi",
    "usages": "server-auth",
    "orderer.name": "Saga Påhittad",
    "orderer.email": "saga.pahittad@fantasin.example",
    "technical_contact.name": "Urho Keksitty",
    "technical_contact.email": "urho.keksitty@yllapito.example",
    "technical_contact.organisation": "Esimerkkiylläpito Oy",
    "once": "1",
}
"""What a form for a server certificate has."""

SYSTEM = {
    **{name: value for name, value in SERVER.items() if not name.startswith(("names", "usages"))},
    "unit_long_name": "Lääkärikeskus Satulinna, Onnelan toimipiste",
    "information_system.name": "Mielikuva Potilastieto",
    "information_system.system_id": "FIKTIO-1001",
    "signatory.name": "Taru Tarinainen",
    "signatory.title": "toimitusjohtaja",
    "certificate_number": "TODISTUS-2024-014",
    "valid_from": "2024-06-01",
    "valid_to": "2029-05-31",
}
"""What a private provider's form for a system signature certificate has."""


class _Tags(HTMLParser):
    """All tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_usable(page: str) -> None:
    """Assert of a page what a screen reader needs most: names, one heading, references that lead somewhere (WCAG)."""
    tags = _Tags(page).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids)), ids
    assert [tag for tag, _ in tags].count("h1") == 1
    assert tags[0][0] == "html"
    assert tags[0][1]["lang"]
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    for tag, attributes in tags:
        if tag in ("input", "textarea") and attributes.get("type") not in ("hidden", "radio", "checkbox"):
            assert attributes["id"] in labelled, attributes
        for name in ("aria-describedby", "aria-labelledby", "for", "list"):
            assert set((attributes.get(name) or "").split()) <= set(ids), (name, attributes)
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids, attributes


@dataclass
class Browser:
    """A browser with its cookies. It sends the token of the last page with each form, as a browser does."""

    client: httpx.AsyncClient
    page: httpx.Response | None = None

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return self._seen(await self.client.get(path, **options))

    async def post(self, path: str, data: Mapping[str, Any], files: Any = None, **options: Any) -> httpx.Response:
        return self._seen(await self.client.post(path, data={"csrf": self.token, **data}, files=files, **options))

    def _seen(self, page: httpx.Response) -> httpx.Response:
        self.page = page
        if page.headers.get("content-type", "").startswith("text/html") and page.url.host in PORTAL:
            assert_usable(page.text)
        return page

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        return found[1] if found else ""

    @property
    def text(self) -> str:
        return html.unescape(self.page.text) if self.page else ""

    @property
    def path(self) -> str:
        return self.page.url.path if self.page else ""

    async def login(self, person: str, level: str = "high", back: str = "/sv/") -> None:
        """Log in at the provider as a person would, and come back."""
        page = await self.get("/sv/login", params={"next": back})
        self.page = await self.client.post(str(page.url), data={"person": person, "level": level})

    async def open_account(self, business_id: str) -> str:
        await self.get("/sv/accounts/new")
        await self.post("/sv/accounts/new", {"business_id": business_id})
        return self.path.rsplit("/", 1)[1]

    async def apply(self, account_id: str, **changed: Any) -> str:
        """Apply for a server certificate; return the case."""
        path = f"/sv/accounts/{account_id}/apply/server/care-provider"
        await self.get(path)
        await self.post(path, {**SERVER, **changed})
        assert self.path.startswith("/sv/cases/"), self.text
        return self.path.rsplit("/", 1)[1]

    async def invited(self, path: str, data: Mapping[str, str]) -> str:
        """Make an invitation and return the path of its link."""
        await self.get(path)
        await self.post(path, data)
        return re.search(r"http://[^/]+(/\S+/invitations/[^<\s]+)", self.text)[1]


@dataclass
class Site:
    """The e-service, its parts, and what it has published."""

    portal: Portal
    client: Any
    published: list[Record] = field(default_factory=list)
    browsers: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self) -> Browser:
        client = self.client()
        self.browsers.append(client)
        return Browser(client)

    async def publish(self) -> list[Record]:
        """Send what is stored, and return all that was sent."""

        async def publish(record: Record) -> None:
            self.published.append(record)

        await self.portal.outbox.send_all(publish)
        return self.published

    async def show(
        self, case_id: str, account_id: str, version: int, state: str, example: str = "", **more: Any
    ) -> None:
        """Put in a view of a case, made of an exported example: with a certificate, or `.returned`."""
        stored = json.loads((EXAMPLES / f"{CaseChanged.TYPE}{example}.json").read_text())["value"]
        about = {"case_id": case_id, "account_id": account_id, "version": version, "state": state}
        view = CaseChanged.model_validate_json(json.dumps({**stored, **about, **more}))
        await store(self.portal.database, view)
        self.portal.changes.tell(str(UUID(case_id)))


def make_people(portal: str, provider: str) -> Starlette:
    """Return the provider of the people, for an e-service at an address."""
    return make_provider(provider, Client("portal", "secret", f"{portal}/login/callback"))


def settings_of(
    folder: Path, people: Starlette, portal: str = PORTAL, provider: str = PROVIDER, **more: Any
) -> Settings:
    transport = httpx.ASGITransport(people)
    files = {"folder": folder, "code_service": ORGANISATIONS}
    login = {"provider": provider, "client_id": "portal", "client_secret": "secret"}
    return Settings(base_url=portal, transport=transport, **files, **login, **{"logins_per_minute": 1_000} | more)


@asynccontextmanager
async def opened_site(folder: Path, people: Starlette, **more: Any) -> AsyncIterator[Site]:
    """Open the e-service and its provider in this process, each over its own name."""
    async with Database.open(folder / "portal.sqlite") as database:
        portal = make_portal(settings_of(folder, people, **more), database)
        mounts = {
            PORTAL: httpx.ASGITransport(make_app(portal), raise_app_exceptions=False),
            PROVIDER: httpx.ASGITransport(people),
        }
        site = Site(portal, lambda: httpx.AsyncClient(base_url=PORTAL, mounts=mounts, follow_redirects=True))
        yield site
        for client in site.browsers:
            await client.aclose()

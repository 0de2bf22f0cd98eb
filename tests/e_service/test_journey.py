"""A customer at the example of an e-service, over HTTP, with real Kafka and all services, with TLS and rights."""

from __future__ import annotations

import asyncio
import html
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from contracts.conftest import Trial
from e_service.environment import CHECKOUT, EXAMPLE, made
from servicecert_launcher.ports import free_port
from servicecert_schemas.topics import APPLICATIONS

PATIENCE_SECONDS = 90.0
REQUEST = (
    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -noenc -keyout server.key -out request.pem "
    "-subj /CN=example"
)
SERVER = {
    "unit_long_name": "Sagouddens hälsostation",
    "names.dns": "kanta.sagoudden.example.fi",
    "usages": "server-auth",
    "orderer.name": "Saga Påhittad",
    "orderer.email": "saga.pahittad@fantasin.example",
    "technical_contact.name": "Urho Keksitty",
    "technical_contact.email": "urho.keksitty@yllapito.example",
    "technical_contact.organisation": "Esimerkkiylläpito Oy",
}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long]


@dataclass
class Portal:
    """The e-service and its provider as processes, and the browsers at it."""

    trial: Trial
    url: str
    settings: dict[str, str]
    browsers: AsyncExitStack
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, module: str, **changed: str) -> asyncio.subprocess.Process:
        given = [f"{name}={value}" for name, value in (self.settings | changed).items()]
        process = await self.trial.start(EXAMPLE, "env", *given, str(made()), "-m", module)
        self.processes.append(process)
        return process

    async def answers(self, url: str) -> None:
        """Wait until somebody answers."""
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(url):
                        return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)

    async def browser(self, person: str) -> Browser:
        session = aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        browser = Browser(await self.browsers.enter_async_context(session))
        await browser.get("/sv/login")
        await browser.send(browser.url, {"person": person, "level": "high"})
        return browser


@dataclass
class Browser:
    session: aiohttp.ClientSession
    url: str = ""
    text: str = ""
    body: bytes = b""

    async def get(self, path: str) -> int:
        async with self.session.get(path) as response:
            return await self._seen(response)

    async def send(self, path: str, data: dict[str, str], **files: bytes) -> int:
        """Send a form with the token of the last page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        form = aiohttp.FormData({"csrf": found[1] if found else "", **data})
        for name, content in files.items():
            form.add_field(name, content, filename=f"{name}.pem")
        async with self.session.post(path, data=form) as response:
            return await self._seen(response)

    async def _seen(self, response: aiohttp.ClientResponse) -> int:
        self.url, self.body = str(response.url), await response.read()
        self.text = html.unescape(self.body.decode(errors="replace"))
        return response.status

    async def open_account(self, business_id: str) -> str:
        await self.get("/sv/accounts/new")
        await self.send("/sv/accounts/new", {"business_id": business_id})
        return self.url.rsplit("/", 1)[1]

    async def apply(self, account: str, place: str, data: dict[str, str], **files: bytes) -> str:
        path = f"/sv/accounts/{account}/apply/{place}"
        await self.get(path)
        assert await self.send(path, {**data, "once": str(time.monotonic_ns())}, **files) == 200, self.text
        return self.url.rsplit("/", 1)[1]

    async def until(self, case: str, state: str) -> None:
        """Follow a case by its stream until its page shows a state."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with self.session.get(f"/sv/cases/{case}/live") as stream:
                    async for line in stream.content:
                        if line.startswith(b"data:"):
                            await self.get(f"/sv/cases/{case}")
                            if f"tag state-{state}" in self.text:
                                return


@asynccontextmanager
async def portal_at(trial: Trial, folder: Path) -> AsyncIterator[Portal]:
    async with AsyncExitStack() as browsers:
        url, provider = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        settings = {
            "PORTAL_URL": url,
            "PORTAL_PROVIDER": provider,
            "PORTAL_CLIENT_ID": "portal",
            "PORTAL_CLIENT_SECRET": "secret",
            "PORTAL_FOLDER": str(folder),
            "PORTAL_CODE_SERVICE": str(CHECKOUT / "cli/servicecert_cli/registers/fictitious/organisations.csv"),
        }
        portal = Portal(trial, url, settings, browsers)
        try:
            await portal.start("provider")
            await portal.answers(f"{provider}/keys")
            yield portal
        finally:
            for process in portal.processes:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGTERM)
                _, log = await process.communicate()
                print(log.decode())


@pytest_asyncio.fixture(loop_scope="module")
async def portal(trial: Trial, tmp_path: Path) -> AsyncIterator[Portal]:
    async with portal_at(trial, tmp_path) as portal:
        await portal.start("portal")
        await portal.answers(portal.url)
        yield portal


async def test_E4_a_customer_gets_a_certificate_and_has_it_revoked(portal: Portal, tmp_path: Path) -> None:
    await portal.trial.run(tmp_path, *REQUEST.split())
    saga = await portal.browser("saga")
    account = await saga.open_account("9900001-8")
    case = await saga.apply(account, "server/care-provider", {**SERVER, "unit_long_name": "Sagouddens station"})
    await saga.until(case, "returned")
    assert "”Sagouddens hälsostation”" in saga.text
    await saga.send(f"/sv/cases/{case}", {**SERVER, "applying_as": "care-provider", "act": "supplement"})
    await saga.until(case, "waiting-for-csr")

    await saga.send(f"/sv/cases/{case}", {"act": "invite"})
    (link,) = re.findall(r"http://\S+/invitations/[^<\s]+", saga.text)
    urho = await portal.browser("urho")
    assert await urho.get(f"/sv/cases/{case}") == 404
    await urho.get(link)
    await urho.send(link, {})
    await urho.send(f"/sv/cases/{case}", {"act": "csr"}, csr=b"-----BEGIN CERTIFICATE-----")
    await urho.until(case, "returned")
    await urho.send(f"/sv/cases/{case}", {"act": "csr"}, csr=(tmp_path / "request.pem").read_bytes())
    await urho.until(case, "delivered")

    await saga.get(f"/sv/cases/{case}/certificate.pem")
    (tmp_path / "certificate.pem").write_bytes(saga.body)
    await saga.get(f"/sv/cases/{case}/certificate.der")
    (tmp_path / "certificate.der").write_bytes(saga.body)
    for certificate in ("-in certificate.pem", "-inform DER -in certificate.der"):
        certified = await portal.trial.run(tmp_path, *f"openssl x509 {certificate} -noout -pubkey".split())
        assert certified == await portal.trial.run(
            tmp_path, *["openssl", "req", "-in", "request.pem", "-noout", "-pubkey"]
        )

    await saga.get("/sv/")
    assert f"/sv/cases/{case}/revocation" in saga.text
    await urho.get(f"/sv/cases/{case}")
    (serial,) = re.findall(r", decimalt</dt><dd>(\d+)", urho.text)
    await urho.get(f"/sv/cases/{case}/revocation")
    fields = {
        "serial": serial,
        "reason": "key-exposed",
        "since": "",
        "explanation": "",
        "email": "urho@fantasin.example",
    }
    await urho.send(f"/sv/cases/{case}/revocation", {**fields, "act": "check"})
    assert "Ett spärrat certifikat kan inte tas i bruk igen." in urho.text
    await urho.send(f"/sv/cases/{case}/revocation", {**fields, "act": "send"})
    await urho.until(case, "revoked")


@pytest.mark.parametrize(
    ("person", "business_id", "place", "unit"),
    [
        ("kuviteltu", "9900058-7", "test-server/pharmacy", "Onnelan VI apteekki"),
        ("taru", "9900025-3", "system-signature/care-provider", "Lääkärikeskus Satulinna Oy"),
        ("aava", "9900066-7", "test-system-signature/kanta-intermediary", "Unelmasilta Välityspalvelut Oy"),
    ],
)
async def test_A1_the_other_types_are_granted(
    portal: Portal, tmp_path: Path, person: str, business_id: str, place: str, unit: str
) -> None:
    await portal.trial.run(tmp_path, *REQUEST.split())
    browser = await portal.browser(person)
    account = await browser.open_account(business_id)
    form = SERVER | {"unit_long_name": unit, "csr_text": (tmp_path / "request.pem").read_text()}
    files = {}
    if "signature" in place:
        form |= {"information_system.name": "Mielikuva Potilastieto", "information_system.system_id": "FIKTIO-1001"}
        form |= {"signatory.name": "Taru Tarinainen", "signatory.title": "toimitusjohtaja"}
    if place.startswith("system"):
        form |= {"certificate_number": "TODISTUS-2024-014", "valid_from": "2024-06-01", "valid_to": "2029-05-31"}
        files = {"attachments": b"%PDF-1.7"}
    if "intermediary" in place:
        form |= {"technical_contact.organisation": "Kanta-välittäjä"}
    case = await browser.apply(account, place, form, **files)
    await browser.until(case, "delivered")


async def test_F5_what_was_sent_without_a_broker_is_sent_once_by_the_next_process(trial: Trial, tmp_path: Path) -> None:
    async with portal_at(trial, tmp_path) as portal:
        process = await portal.start("portal", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
        await portal.answers(portal.url)
        saga = await portal.browser("saga")
        account = await saga.open_account("9900017-3")
        case = await saga.apply(account, "server/care-provider", {**SERVER, "unit_long_name": "Spökuddens stad"})
        assert "på väg till myndigheten" in saga.text
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await portal.start("portal")
        await portal.answers(portal.url)
        await saga.until(case, "waiting-for-csr")
        assert "på väg till myndigheten" not in saga.text
    assert await kinds_of(trial, case) == ["servicecert.application.submitted.v1"]


async def kinds_of(trial: Trial, case: str) -> list[str]:
    """Return the types of all records of a case on the topic that the e-service writes."""
    found = []
    async with AIOKafkaConsumer(
        APPLICATIONS.name, **trial.system.cluster.client, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while [place for place, end in ends.items() if await consumer.position(place) < end]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [dict(each.headers)["ce_type"].decode() for each in records if each.key == case.encode()]
    return found

"""Customers at the e-service, in a browser, against all that `make portal` starts: Kafka, PostgreSQL, the services."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
import start
from browsers import CHECKOUT, SERVER, SYSTEM
from customers import SECONDS, Service, output
from playwright.async_api import Browser, expect

APPLICATION = {name: value for name, value in SERVER.items() if name not in ("usages", "once")}
OF_A_SYSTEM = {name: value for name, value in SYSTEM.items() if name != "once"}
CONFORMITY = ("certificate_number", "valid_from", "valid_to")

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """Start everything once; wait until the e-service, whose address is printed first, answers."""
    folder = tmp_path_factory.mktemp("system")
    command = [sys.executable, start.__file__, str(CHECKOUT / ".venv/bin/servicecert"), "up"]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    assert process.stdout is not None
    found = re.search(rb"http://(\S+):(\d+)", await process.stdout.readuntil(b"half a minute"))
    assert found is not None
    rest = asyncio.create_task(process.stdout.read())
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                assert process.returncode is None, await rest
                try:
                    _, writer = await asyncio.open_connection(found[1].decode(), int(found[2]))
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break
        yield Service(found[0].decode(), chromium, folder)
    finally:
        process.terminate()
        print((await rest).decode())
        await process.wait()


@pytest.mark.parametrize(
    ("person", "business_id", "place", "more"),
    [
        ("saga", "9900001-8", "server/care-provider", APPLICATION),
        ("kuviteltu", "9900058-7", "test-server/pharmacy", APPLICATION | {"unit_long_name": "Onnelan VI apteekki"}),
        ("taru", "9900025-3", "system-signature/care-provider", OF_A_SYSTEM),
        (
            *("aava", "9900066-7", "test-system-signature/kanta-intermediary"),
            {name: value for name, value in OF_A_SYSTEM.items() if name not in CONFORMITY}
            | {
                "unit_long_name": "Unelmasilta Välityspalvelut Oy",
                "technical_contact.organisation": "Kanta-välittäjä",
            },
        ),
    ],
)
async def test_A1_each_type_is_granted_and_downloaded_with_its_chain(
    service: Service, tmp_path: Path, person: str, business_id: str, place: str, more: dict[str, str]
) -> None:
    files = {"csr": await service.request()}
    if place.startswith("system"):
        (tmp_path / "certificate.pdf").write_bytes(b"%PDF-1.7")
        files["attachments"] = tmp_path / "certificate.pdf"
    async with service.person(person) as customer:
        await customer.apply(await service.account(customer, business_id), place, more | files)
        await customer.sees("delivered")
        pem, der, chain = [await customer.download(ending, tmp_path) for ending in ("pem", "der", "chain")]
    await output("openssl", "verify", "-CAfile", chain, pem)
    assert await output("openssl", "x509", "-inform", "DER", "-in", der) == pem.read_text()


async def test_who_only_clicks_gets_a_certificate(service: Service) -> None:
    async with service.person("saga") as customer:
        await customer.open(f"/accounts/{await service.account(customer, '9900001-8')}/apply/server/care-provider")
        await customer.page.locator("a[href='?example']").click()
        await customer.page.locator("main form > button").click()
        await customer.sees("delivered")


async def test_A10_two_people_mend_what_was_returned_and_a_technical_contact_ends_it(service: Service) -> None:
    async with AsyncExitStack() as stack:
        saga, satu, urho = [
            await stack.enter_async_context(service.person(name, language))
            for name, language in (("saga", "sv"), ("satu", "fi"), ("urho", "en"))
        ]
        account = await service.account(saga, "9900017-3")
        await saga.open(f"/accounts/{account}")
        await saga.page.locator("input[value=colleague]").check()
        await saga.page.locator("main section:last-of-type form button").click()
        await satu.follow(await saga.invited())

        case = await saga.apply(account, "server/care-provider", APPLICATION | {"unit_long_name": "Spökuddens stads"})
        await saga.sees("returned")
        await expect(saga.page.locator("#p-unit_long_name")).to_contain_text("Spökuddens stad")
        await expect(saga.page.locator(".summary a[href='#f-unit_long_name']")).to_be_visible()

        # What Satu types stays hers, and so does her place in the page.
        await satu.open(f"/cases/{case}")
        typed = satu.page.locator("[name='names.dns']")
        await typed.fill("toinen.example.fi")
        await saga.fill({"unit_long_name": "Spökuddens stad"})
        await saga.act("supplement")
        await saga.sees("waiting-for-csr")
        await expect(satu.page.locator("#news.notice")).to_be_visible()
        await expect(typed).to_have_value("toinen.example.fi")
        await expect(typed).to_be_focused()
        await satu.open(f"/cases/{case}")
        await satu.sees("waiting-for-csr")
        heading = satu.page.locator("#supplement > summary")
        await heading.click()

        await saga.act("invite")
        await urho.follow(await saga.invited())
        await urho.fill({"csr": await service.request()})
        await urho.act("csr")
        await urho.sees("delivered")
        await satu.sees("delivered")
        await saga.open(f"/cases/{case}")

        await urho.page.locator(f"main a[href$='{case}/revocation']").click()
        serial = await saga.page.locator("#certificate ~ dl dd").nth(3).inner_text()
        await urho.fill({"serial": serial, "email": "urho.keksitty@yllapito.example"})
        await urho.page.locator("input[value=key-exposed]").check()
        await urho.act("check")
        await urho.act("send")
        for each in (urho, saga, satu):
            await each.sees("revoked")


async def test_who_sends_a_form_after_the_session_has_ended_is_told_and_leads_back(service: Service) -> None:
    async with service.person() as saga:
        await saga.login("saga")
        account = await service.account(saga, "9900001-8")
        await saga.open(f"/accounts/{account}/apply/server/care-provider")
        await saga.fill(APPLICATION)
        (cookie,) = await saga.page.context.cookies()
        with sqlite3.connect(start.FOLDER / "portal.sqlite") as database:
            place = sha256(cookie["value"].encode()).hexdigest()
            database.execute("UPDATE sessions SET seen = '2026-01-01T00:00:00+00:00' WHERE hash = ?", (place,))
        database.close()
        await saga.page.locator("main form > button").click()
        await expect(saga.page.locator("h1")).to_have_text("Din session har avslutats")
        await expect(saga.page.locator("main a.button")).to_have_attribute("href", "/sv/login")
        await saga.open(f"/accounts/{account}/apply/server/care-provider")
        await saga.page.locator("button[value=saga]").click()
        await saga.page.wait_for_url(f"**/accounts/{account}/apply/server/care-provider")


async def test_the_whole_life_of_a_certificate_by_keyboard_alone(service: Service) -> None:
    async with service.person("saga") as opening:
        await service.account(opening, "9900001-8")
    async with service.person() as saga:
        await saga.open("/")
        await saga.go(".skip")
        await saga.go("main a.button")
        await saga.go("button[value=saga]")
        await saga.go("main a.button[href$='/apply']")
        await saga.press_until(saga.page.locator("[name=type]").first)
        await saga.page.keyboard.press("Space")
        await saga.press_until(saga.page.locator("[name=applying_as]").first)
        await saga.page.keyboard.press("Space")
        await saga.go("main form > button")
        await saga.page.wait_for_url("**/server/care-provider")
        values = {name: value for name, value in APPLICATION.items() if name != "orderer.name"}
        await saga.write({**values, "csr_text": (await service.request()).read_text()})
        await saga.go("main form > button")
        case = await saga.last_of("cases/")
        await saga.sees("delivered")

        serial = await saga.page.locator("#certificate ~ dl dd").nth(2).inner_text()
        await saga.go("main a[href$='/sv/']")
        row = f"li:has(a[href$='{case}'])"
        await saga.go(f"{row} summary")
        await saga.go(f"{row} a[href$='revocation']")
        await saga.page.wait_for_url("**/revocation")
        await saga.write({"serial": serial})
        await saga.press_until(saga.page.locator("[name=reason]").first)
        await saga.press_until(saga.page.locator("[value=no-longer-needed]"), "ArrowDown")
        await saga.go("button[value=check]")
        await saga.go("button[value=send]")
        await saga.sees("revoked")


async def test_A15_all_works_without_scripts_and_the_applicant_withdraws(service: Service) -> None:
    async with service.person("saga", "en", with_scripts=False) as saga:
        account = await service.account(saga, "9900001-8")
        await saga.apply(account, "test-server/care-provider", APPLICATION)

        async def reload_until(state: str) -> None:
            async with asyncio.timeout(SECONDS):
                while not await saga.page.locator(f".tag.state-{state}").count():
                    await saga.page.reload()

        await reload_until("waiting-for-csr")
        await saga.act("csr")
        await expect(saga.page.locator("#p-csr")).to_be_visible()
        await saga.act("withdraw")
        await reload_until("withdrawn")

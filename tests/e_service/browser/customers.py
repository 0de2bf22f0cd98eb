"""Customers, each with a browser of their own, at the e-service of a whole system."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from chromium import opened_context
from playwright.async_api import Browser, Locator, Page, StorageState, expect

SECONDS = 120.0
REQUEST = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -noenc -subj /CN=example"

expect.set_options(timeout=SECONDS * 1000)


@dataclass
class Person:
    """Somebody with a browser of their own."""

    page: Page
    language: str = "sv"

    async def open(self, path: str) -> None:
        await self.page.goto(f"/{self.language}{path}")

    async def login(self, person: str) -> None:
        await self.open("/login")
        await self.page.locator(f"button[value={person}]").click()
        await self.page.locator(".name").wait_for()

    async def open_account(self, business_id: str) -> str:
        await self.open("/accounts/new")
        await self.page.locator(f"input[value='{business_id}']").check()
        await self.page.locator("main form button").click()
        return await self.last_of("accounts/account-")

    async def follow(self, link: str) -> None:
        await self.page.goto(link)
        await self.page.locator("main form button").click()
        await self.page.wait_for_url(lambda url: "invitations" not in url)

    async def fill(self, values: Mapping[str, str | Path]) -> None:
        for name, value in values.items():
            field = self.page.locator(f"[name='{name}']")
            await (field.set_input_files(value) if isinstance(value, Path) else field.fill(value))

    async def apply(self, account: str, place: str, values: Mapping[str, str | Path]) -> str:
        """Apply and return the case."""
        await self.open(f"/accounts/{account}/apply/{place}")
        await self.fill(values)
        await self.page.locator("main form > button").click()
        return await self.last_of("cases/")

    async def act(self, act: str) -> None:
        await self.page.locator(f"button[value={act}]").click()

    async def sees(self, state: str) -> None:
        """Wait for a state. Nobody loads the page anew."""
        await expect(self.page.locator(f".tag.state-{state}")).to_be_visible()

    async def invited(self) -> str:
        """Return the link of the invitation that was made."""
        return await self.page.locator("#link ~ p code").inner_text()

    async def last_of(self, kind: str) -> str:
        await self.page.wait_for_url(re.compile(f"/{kind}[^/?]+$"))
        return self.page.url.rsplit("/", 1)[1]

    async def download(self, ending: str, folder: Path) -> Path:
        async with self.page.expect_download() as download:
            await self.page.locator(f"a[href$='certificate.{ending}']").click()
        path = folder / (await download.value).suggested_filename
        await (await download.value).save_as(path)
        return path

    async def press_until(self, wanted: Locator, key: str = "Tab") -> None:
        """Press a key until the focus, which is to be seen, is where it is wanted."""
        for _ in range(100):
            await self.page.keyboard.press(key)
            if await wanted.evaluate("(each) => each === document.activeElement && each.matches(':focus-visible')"):
                return
        raise AssertionError(f"{key} leads never to {wanted}")

    async def go(self, selector: str) -> None:
        """Follow a link or press a button by the keyboard."""
        await self.press_until(self.page.locator(selector).first)
        await self.page.keyboard.press("Enter")

    async def write(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            await self.press_until(self.page.locator(f"[name='{name}']").first)
            await self.page.keyboard.insert_text(value)


@dataclass
class Service:
    """The e-service of a whole system."""

    url: str
    chromium: Browser
    folder: Path
    accounts: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, StorageState] = field(default_factory=dict)

    @asynccontextmanager
    async def person(self, name: str = "", language: str = "sv", *, with_scripts: bool = True) -> AsyncIterator[Person]:
        """Open a browser. Each person logs in once for all tests: logins are limited."""
        options = {"java_script_enabled": with_scripts, "storage_state": self.sessions.get(name)}
        async with await opened_context(self.chromium, self.url, language, **options) as context:
            context.set_default_timeout(SECONDS * 1000)
            person = Person(await context.new_page(), language)
            if name and name not in self.sessions:
                await person.login(name)
                self.sessions[name] = await context.storage_state()
            yield person

    async def request(self) -> Path:
        """Return a certificate request of a new key: two organisations never share one."""
        path = self.folder / f"{uuid4()}.csr"
        await output(*REQUEST.split(), "-keyout", path.with_suffix(".key"), "-out", path)
        return path

    async def account(self, person: Person, business_id: str) -> str:
        """Return the account of an organisation, which the first who asks opens."""
        if business_id not in self.accounts:
            self.accounts[business_id] = await person.open_account(business_id)
        return self.accounts[business_id]


async def output(*command: str | Path) -> str:
    """Return the output of a command that must succeed."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()

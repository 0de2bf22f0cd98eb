"""What the attackers' tests share: a case of somebody, an invited person, and what was sent to the service."""

from __future__ import annotations

from browsers import Browser, Site

SCRIPT = "<script>alert(1)</script>"


async def account_with_case(browser: Browser) -> tuple[str, str]:
    account = await browser.open_account("9900001-8")
    return account, await browser.apply(account)


async def member(site: Site, by: Browser, path: str, data: dict[str, str], person: str = "urho") -> Browser:
    """Return the browser of a person who was invited on a page, and followed the link."""
    link = await by.invited(path, data)
    browser = site.browser()
    await browser.login(person)
    await browser.get(link)
    await browser.post(link, {})
    return browser


async def events(site: Site) -> list[str]:
    return [dict(record.headers)["ce_type"].decode().split(".")[-2] for record in await site.publish()]

"""Every page in every state and language is accessible (WCAG 2.2 AA)."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from chromium import findings, opened_context
from playwright.async_api import Browser, expect
from scenes import scenes
from servicecert_schemas import Language
from stage import Scene, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAULTY = """<!doctype html><html lang="en"><title>Faulty</title><h1>Faulty</h1>
<style>a:focus { outline: none } p { color: #999 } div { width: 400px; display: flex; flex-direction: row-reverse }
button { outline: 3px solid #eee !important }</style>
<body style="background: #fff"><img src="x"><p>Pale</p><a href="/">Link</a>
<div><button>Second</button><button>First</button></div>"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shown(stage: Stage) -> list[Scene]:
    return await scenes(stage)


async def test_nothing_is_wrong_with_any_page(stage: Stage, shown: list[Scene], chromium: Browser) -> None:
    async def found_in(language: str) -> list[str]:
        found = []
        for scene in shown:
            async with stage.page(chromium, scene, language) as page:
                found += [f"{scene.name} {language}: {each}" for each in await findings(page)]
        return found

    found = [each for of_one in await asyncio.gather(*map(found_in, Language)) for each in of_one]
    assert not found, "\n".join(found)


async def test_what_is_wrong_with_a_page_is_found(chromium: Browser) -> None:
    async with await opened_context(chromium, "http://portal.test") as context, await context.new_page() as page:
        await page.route("**/*", lambda route: route.fulfill(body=FAULTY, content_type="text/html"))
        await page.goto("/")
        found = "\n".join(await findings(page))
    for fault in (
        "image-alt",
        "color-contrast",
        'its focus is hard to see: <a href="/"',
        "its focus is hard to see: <button>Second",
        "comes after what is below or right of it: <button>First",
        "narrow: wider than the window: <div>",
    ):
        assert fault in found


async def test_E1_a_page_that_shows_news_keeps_the_focus_and_what_is_open(
    stage: Stage, shown: list[Scene], chromium: Browser
) -> None:
    (scene,) = [each for each in shown if each.name == "case-delivered-install"]
    (row,) = await stage.site.portal.database.rows("SELECT id FROM accounts WHERE business_id = '9900001-8'")
    async with stage.page(chromium, scene, "sv") as page:
        link = page.locator("main a[href$='/revocation']")
        await link.focus()
        await stage.show(row["id"], scene.path.rsplit("/", 1)[1], "revocation-requested")
        await expect(page.locator(".state-revocation-requested")).to_be_visible()
        await expect(page.locator("#news")).to_have_text("spärrning begärd")
        await expect(link).to_be_focused()
        await expect(page.locator("main details li").first).to_be_visible()

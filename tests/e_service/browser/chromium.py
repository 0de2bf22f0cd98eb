"""Debian's Chromium, driven by Playwright, and what is measured in a page: axe, width, focus."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

EXECUTABLE = Path("/usr/bin/chromium")
AXE = Path(sys.prefix) / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_LAYOUT = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]
"""The rules whose answers depend on the width."""
WIDE, NARROW, HEIGHT = 1280, 320, 800
"""Widths in CSS pixels. A window of 1280 that is enlarged to 400 % has 320."""

RUN_AXE = """async (runOnly) => (await axe.run(document, {runOnly, resultTypes: ["violations"]})).violations.flatMap(
  ({id, help, nodes}) => nodes.map((node) => `${id}: ${help}: ${node.target} ${node.any.concat(node.all)
    .map(({message}) => message).join("; ")}`)
)"""

TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility() && !each.closest(".unseen, .skip, option, datalist"))
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 || each.scrollWidth > each.clientWidth + 1
    && !["inline", "contents"].includes(getComputedStyle(each).display) && !each.matches("input, textarea"))
  .map((each) => `wider than the window: ${each.outerHTML.slice(0, 120)}`)"""

FOCUS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let each = element.parentElement; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (channels(color)[3] !== 0) return color;
    }
  };
  const found = [];
  let last = null;
  const all = "a[href], button, input:not([type=hidden]), textarea, summary, [tabindex='0']";
  for (const each of document.querySelectorAll(all)) {
    if (!each.checkVisibility()) continue;
    const name = each.outerHTML.slice(0, 120);
    if (each.tabIndex > 0) found.push(`before its turn: ${name}`);
    each.focus({focusVisible: true});
    const style = getComputedStyle(each), place = each.getBoundingClientRect();
    const [high, low] = [light(style.outlineColor), light(behind(each))].sort((a, b) => b - a);
    if (document.activeElement !== each) found.push(`takes no focus: ${name}`);
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 || (high + 0.05) / (low + 0.05) < 3)
      found.push(`its focus is hard to see: ${name}`);
    if (place.right <= 0 || place.height < 1) found.push(`its focus is outside the window: ${name}`);
    const order = {top: place.top + scrollY, bottom: place.bottom + scrollY, left: place.left};
    const isLeft = last && order.left < last.left && order.top < last.bottom - 8 && order.bottom < last.bottom + 8;
    const isBefore = last && (order.bottom <= last.top || isLeft);
    if (isBefore && !each.matches(".skip")) found.push(`comes after what is below or right of it: ${name}`);
    last = each.matches(".skip") ? null : order;
  }
  return found;
}"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # The sandbox needs a user who is not root; these are our own pages.
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def opened_context(browser: Browser, url: str, language: str = "sv", **options: Any) -> BrowserContext:
    """Return a browser of a person, with axe in each page."""
    size = ViewportSize(width=WIDE, height=HEIGHT)
    context = await browser.new_context(base_url=url, locale=f"{language}-FI", viewport=size, **options)
    await context.add_init_script(path=AXE)
    return context


async def findings(page: Page) -> list[str]:
    """Return all that is wrong with a page: in light and dark colours, in a wide and in a narrow window."""
    found = [*await page.evaluate(RUN_AXE, TAGS), *await page.evaluate(FOCUS)]
    await page.emulate_media(color_scheme="dark")
    dark = [*await page.evaluate(RUN_AXE, ["color-contrast"]), *await page.evaluate(FOCUS)]
    await page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    await page.emulate_media(color_scheme="light")
    narrow = [*await page.evaluate(RUN_AXE, OF_LAYOUT), *await page.evaluate(TOO_WIDE)]
    await page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    return [*found, *(f"dark: {each}" for each in dark), *(f"narrow: {each}" for each in narrow)]

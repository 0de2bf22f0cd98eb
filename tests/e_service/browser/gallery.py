"""Draws every page in every state and language: `python -m gallery FOLDER PICTURE`, which `make gallery` runs."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from chromium import HEIGHT, NARROW, WIDE, chromium
from jinja2 import Template
from playwright.async_api import Page
from scenes import scenes
from servicecert_schemas import Language
from stage import opened_stage

KINDS = {
    "sv": ("light", WIDE, Language.SWEDISH),
    "fi": ("light", WIDE, Language.FINNISH),
    "en": ("light", WIDE, Language.ENGLISH),
    "dark": ("dark", WIDE, Language.SWEDISH),
    "narrow": ("light", NARROW, Language.FINNISH),
}
"""Of each page: its colours, width and language."""
INDEX = Template(
    """<!doctype html><html lang="en"><meta charset="utf-8"><title>Gallery</title>
<style>body { font-family: sans-serif } div { display: flex; gap: 1rem; align-items: start; overflow-x: auto }
img { border: 1px solid #888; height: 30rem } h2 { margin-bottom: 0.25rem }</style><h1>Every page in every state</h1>
{% for scene in scenes %}<h2 id="{{ scene }}">{{ scene }}</h2><div>{% for kind in kinds %}
<a href="{{ scene }}-{{ kind }}.png"><img src="{{ scene }}-{{ kind }}.png" alt="{{ kind }}" loading="lazy"></a>
{% endfor %}</div>{% endfor %}""",
    autoescape=True,
)


async def draw(folder: Path, picture: Path, only: str = "") -> list[str]:
    """Draw the pages; return their names."""
    with tempfile.TemporaryDirectory() as data:
        async with chromium() as browser, opened_stage(Path(data)) as stage:
            shown = [scene for scene in await scenes(stage) if only in scene.name]
            for scene in shown:
                for language in Language:
                    async with stage.page(browser, scene, language) as page:
                        await _shoot(page, language, folder / scene.name)
                        if (scene.name, language) == ("list-with-menu", "en"):
                            await page.set_viewport_size({"width": 860, "height": 620})
                            await page.screenshot(path=picture)
    return [scene.name for scene in shown]


async def _shoot(page: Page, language: str, name: Path) -> None:
    """Take the pictures of a page in a language."""
    for kind, (colors, width, of) in KINDS.items():
        if of == language:
            await page.emulate_media(color_scheme="dark" if colors == "dark" else "light")
            await page.set_viewport_size({"width": width, "height": HEIGHT})
            await page.screenshot(path=name.with_name(f"{name.name}-{kind}.png"), full_page=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    drawn = asyncio.run(draw(folder, Path(sys.argv[2]), *sys.argv[3:]))
    (folder / "index.html").write_text(INDEX.render(scenes=drawn, kinds=KINDS))

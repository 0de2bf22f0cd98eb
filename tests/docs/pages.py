"""The pages of the documentation, as the tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = (
    CHECKOUT / "README.md",
    CHECKOUT / "schemas" / "README.md",
    *sorted((CHECKOUT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `words` are what stands behind its opening fence, e.g. `sh run`."""

    words: tuple[str, ...]
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(tuple(words.split()), dedent(text)) for _, words, text in _FENCE.findall(page.read_text())]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return links_in(prose(page))


def links_in(text: str) -> list[str]:
    """The targets of the links in a piece of a page."""
    return _LINK.findall(text)


def section(page: Path, heading: str) -> str:
    """What stands below a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", prose(page), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no heading {heading}"
    return found[1]


def subheadings(page: Path, heading: str) -> list[str]:
    """The headings of the third level below one of the second."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", prose(page), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no heading {heading}"
    return re.findall(r"^### (.+)$", found[1], re.MULTILINE)


def steps(page: Path, heading: str) -> list[str]:
    """The numbered steps below a heading."""
    return re.findall(r"^\d+\. (.+?)(?=^\d+\. |^$|\Z)", section(page, heading), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings, as they are turned into anchors."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(page))}


def rows(page: Path, name: str) -> list[list[str]]:
    """The cells of a table's lines, without its head; the table stands between `<!-- NAME -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page.read_text(), re.DOTALL)
    assert found, f"{page.name} has no table {name}"
    lines = [line for line in found[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def commands() -> Iterator[tuple[Path, str]]:
    """Every `servicecert …` that a page shows, in a line of a shell's block or between backticks."""
    for page in PAGES:
        for block in blocks(page):
            if block.words[:1] == ("sh",):
                text = block.text.replace("\\\n", " ")
                for line in text.splitlines():
                    yield from ((page, found) for found in re.findall(r"\bservicecert [a-z][^|)&;#>\"]*", line))
        yield from ((page, found) for found in re.findall(r"`(?:\S*/)?(servicecert [a-z][^`]*)`", prose(page)))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")

"""A parser of the documentation's pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from servicecert_cli.watching.conditions import CONDITIONS

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = (
    *sorted(CHECKOUT.glob("*.md")),
    CHECKOUT / "schemas" / "README.md",
    CHECKOUT / "examples" / "README.md",
    *sorted((CHECKOUT / "docs").rglob("*.md")),
)

README = CHECKOUT / "docs" / "runbook" / "README.md"
ALERTS = tuple(sorted({README.parent / it.page.partition("#")[0] for it in CONDITIONS.values() if it.page}))
"""The pages of the runbook that alerts lead to."""

METRICS = CHECKOUT / "docs" / "reference" / "metrics.md"
SETTINGS = CHECKOUT / "docs" / "reference" / "settings.md"

_FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `words` follow its opening fence, for instance `sh run`."""

    words: tuple[str, ...]
    text: str

    @property
    def user(self) -> str | None:
        """The user of the broker that runs it: `as-USER` is one of its words."""
        return next((word.removeprefix("as-") for word in self.words if word.startswith("as-")), None)


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return blocks_in(page.read_text())


def blocks_in(text: str) -> list[Block]:
    """Return the fenced blocks of a part of a page, in order."""
    return [Block(tuple(words.split()), dedent(block)) for _, words, block in _FENCE.findall(text)]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Return the targets of a page's links."""
    return links_in(prose(page))


def links_in(text: str) -> list[str]:
    """Return the targets of the links in a part of a page."""
    return _LINK.findall(text)


def section(page: Path, heading: str) -> str:
    """Return the text below a heading, up to the next heading of any level."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", prose(page), re.MULTILINE | re.DOTALL)
    assert match, f"{page.name} has no heading {heading}"
    return match[1]


def subheadings(page: Path, heading: str) -> list[str]:
    """Return the headings of the third level below one of the second."""
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", prose(page), re.MULTILINE | re.DOTALL)
    assert match, f"{page.name} has no heading {heading}"
    return re.findall(r"^### (.+)$", match[1], re.MULTILINE)


def steps(page: Path, heading: str) -> list[str]:
    """Return the numbered steps below a heading."""
    return re.findall(r"^\d+\. (.+?)(?=^\d+\. |^$|\Z)", section(page, heading), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(page))}


def rows(page: Path, name: str) -> list[list[str]]:
    """Return the cells of a table without its head; the table is between `<!-- NAME -->` and `<!-- end -->`."""
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page.read_text(), re.DOTALL)
    assert match, f"{page.name} has no table {name}"
    lines = [line for line in match[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def commands() -> Iterator[tuple[Path, str]]:
    """Yield every `servicecert …` on a page, in a line of a shell block or between backticks."""
    for page in PAGES:
        for block in blocks(page):
            if block.words[:1] == ("sh",):
                text = block.text.replace("\\\n", " ")
                for line in text.splitlines():
                    yield from ((page, found) for found in re.findall(r"\bservicecert [a-z][^|)&;#>\"]*", line))
        yield from ((page, found) for found in re.findall(r"`(?:\S*/)?(servicecert [a-z][^`]*)`", prose(page)))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def table(head: Iterable[str], lines: Iterable[Iterable[Any]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    head = tuple(head)
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines),
    ]


def _cell(text: object) -> str:
    """Return the text escaped for a Markdown table; code keeps its `<`."""
    cell = str(text).replace("|", "\\|")
    return cell if cell.startswith("`") else cell.replace("<", "&lt;")

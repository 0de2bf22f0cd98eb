"""The page of every mail: its text contrasts with the background, in light and dark, and nothing is loaded."""

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from servicecert_notifier.mail.domain.letters import write
from services.notifier.sample_mails import EVERY_MAIL, HEAD, typed

STYLE = (files("servicecert_notifier") / "mail" / "domain" / "texts" / "page.html.j2").read_text("utf-8")
DAY, DARK = STYLE.split("@media (prefers-color-scheme: dark)")


def light_of(colour: str) -> float:
    """The relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [DAY, DARK], ids=["day", "dark"])
def test_C4_words_stand_out_from_every_background(scheme):
    words = re.findall(r"[ {]color: #([0-9a-f]{3,6});", scheme)
    backgrounds = re.findall(r"background: #([0-9a-f]{3,6});", scheme)
    assert len(words) == 1
    assert len(backgrounds) == 2
    for background in backgrounds:
        dark, bright = sorted((light_of(words[0]), light_of(background)))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_C2_a_command_on_a_page_is_not_divided_on_a_screen():
    """A browser divides lines at hyphens, which file names have: a long line is scrolled instead."""
    (rule,) = re.findall(r"^pre \{(.*)\}$", DAY, re.MULTILINE)
    assert "overflow-x: auto" in rule
    assert "overflow-wrap: normal" in rule
    assert "white-space" not in rule


SHOWN = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "dt", "dd", "ol", "li", "pre", "code"}
"""The elements of a mail's page: none of them loads, links, runs or asks for anything."""


class Page(HTMLParser):
    """The elements of a page, its words, and what is still open at its end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.attributes: dict[str, str | None] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.words += " " if tag in ("dt", "dd", "li") else ""

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words += data


def words_of(text: str) -> str:
    """The words without layout."""
    return re.sub(r"[\s:-]+", " ", text).strip()


@EVERY_MAIL
def test_text_and_page_say_the_same(task):
    letter = write(task, HEAD)
    assert words_of(Page(letter.html).words) == words_of(re.sub(r"^(- |\d+\. )", "", letter.text, flags=re.MULTILINE))


@EVERY_MAIL
def test_E3_a_page_is_whole_loads_nothing_and_leads_nowhere_whatever_is_filled_in(task):
    """Opening a mail is not observable: it loads no picture, style or script, and has no link."""
    evil = "<img src=http://evil.example/><a href='http://evil.example'>x</a>\"><style>@import url(//evil.example)"
    for each in (task, typed(task, evil)):
        page = Page(write(each, HEAD).html)
        assert page.open == []
        assert page.attributes["lang"] == task.language
        assert page.attributes["content"] == "light dark"
        assert page.tags.count("h1") == page.tags.count("title") == 1
        assert set(page.tags) <= SHOWN
        assert page.attributes.keys() <= {"lang", "charset", "name", "content"}
    assert not re.search(r"url\(|@import|@font-face|expression\(", STYLE)

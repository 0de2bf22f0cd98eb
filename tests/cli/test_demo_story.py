"""The demo's outputs, made from invented elements: what is brief, what is full, and that nothing shown is markup."""

import re
from io import StringIO
from itertools import product
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.text import Text
from servicecert_cli.commands import demo as command
from servicecert_cli.demo.elements import QUOTE, Card, Chapter, Fact, Title, check, facts, message
from servicecert_cli.demo.narrator import narrating
from servicecert_cli.demo.openssl import Answer
from servicecert_schemas.values import Texts

HOSTILE = "<script>alert('&')</script>\"><img src=x onerror=y>"
TEXT = "The first\n\nThe second\nThe third\nThe fourth\nThe fifth\n"
MAIL = Card(
    (Fact("to", HOSTILE, detail=True), Fact("with", HOSTILE, detail=True)),
    "mail",
    HOSTILE,
    files=("mail/0007-x.eml",),
    text=Text(TEXT.rstrip()),
    margin=QUOTE,
    html=f"<p>{HOSTILE}</p>",
)
REFUSED = Answer(
    "openssl verify -CAfile root.pem a.pem", "C = FI\nerror 23 at 0 depth lookup: certificate revoked", False, "a.pem"
)
STORY = (
    Title("A story", "All is invented."),
    Chapter(HOSTILE, 1),
    facts(Fact("for", "one\ntwo"), Fact("key", "a long one", detail=True), Fact("used as", "")),
    HOSTILE,
    MAIL,
    check(REFUSED),
    message("answer", "too-late", Texts(sv="Nej.", fi="Ei.", en="No.")),
    Chapter("Everything is stopped"),
    facts(Fact("file", HOSTILE), Fact("your first hour", "next")),
)


@pytest.fixture
def outputs(tmp_path):
    """The story on a terminal, in story.txt and in story.html."""

    def tell(*, full):
        screen = Console(file=StringIO(), width=80, highlight=False)
        with narrating(tmp_path, screen, full=full) as narrator:
            narrator.show(*STORY)
        assert isinstance(screen.file, StringIO)
        return screen.file.getvalue(), (tmp_path / "story.txt").read_text(), (tmp_path / "story.html").read_text()

    return tell


def test_the_brief_story_leaves_out_details_and_says_where_the_rest_of_a_mail_is(outputs):
    brief, _, _ = outputs(full=False)
    assert "one, two" in brief
    assert "a long one" not in brief
    assert re.findall("│ (.*)", brief) == ["The first", "The second", "The third", "… 2 more lines in mail/0007-*.eml"]
    assert re.search("verify +a.pem +certificate revoked\n", brief)
    assert "No." in brief
    assert "Nej." not in brief
    assert "used as" not in brief


def test_the_full_story_has_everything_and_story_txt_is_the_same(outputs):
    full, text, _ = outputs(full=True)
    assert full == text
    for part in ("a long one", "The fifth", "-CAfile root.pem", "C = FI", "Nej.", "Ei."):
        assert part in full


def test_the_page_escapes_what_it_shows(outputs):
    _, _, html = outputs(full=False)
    page = ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))
    assert {each.tag for each in page.iter()} & {"script", "img", "link", "object"} == set()
    assert HOSTILE in "".join(page.itertext())
    (frame,) = page.iter("iframe")
    assert frame.attrib["sandbox"] == ""
    assert frame.attrib["srcdoc"] == MAIL.html


def test_the_page_loads_nothing_and_runs_nothing(outputs):
    _, _, html = outputs(full=False)
    page = ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))
    policy = next(each for each in page.iter("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.attrib["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert not [
        each for each in page.iter() if "src" in each.attrib or any(name.startswith("on") for name in each.attrib)
    ]
    assert "url(" not in "".join(each.text or "" for each in page.iter("style"))
    links = [each.attrib["href"] for each in page.iter("a")]
    assert links
    assert not [each for each in links if ":" in each], "only to places of this page and of its folder"


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_its_colours_have_the_contrast_of_WCAG_AA_in_light_and_dark(outputs):
    _, _, html = outputs(full=False)
    palettes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{([^}]+)\}", html)
    ]
    assert len(palettes) == 2
    for palette, back, front in product(
        palettes, ("page", "card"), ("text", "quiet", "link", "good", "warning", "bad")
    ):
        darker, lighter = sorted((luminance(palette[back]), luminance(palette[front])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (front, back)


@pytest.mark.parametrize("options", [(), ("--full",)])
def test_the_command_prints_the_brief_story_or_the_full_one(servicecert, tmp_path, monkeypatch, options):
    async def tell(folder, narrator):
        narrator.show(*STORY)

    monkeypatch.setattr(command, "run_story", tell)
    done = servicecert("demo", "--folder", tmp_path / "demo", *options)
    assert ("The fifth" in done.stdout) is bool(options)
    assert (tmp_path / "demo" / "story.html").exists()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer("", "a.pem: OK", True, "a.pem"), "OK"),
        (Answer("", "Response verify OK\na.pem: good\n\tThis Update: now", True, "a.pem"), "good"),
        (REFUSED, "certificate revoked"),
        (Answer("", "Error connecting", False, "a.pem"), ""),
    ],
)
def test_a_verdict_is_what_openssl_says_of_the_certificate(answer, verdict):
    assert answer.verdict == verdict

"""The pages are correct: links, commands and make targets exist, tables and quoted sentences match the code."""

from __future__ import annotations

import html
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from docs.metrics import is_metric
from docs.pages import CHECKOUT, PAGES
from docs.sentences import PACKAGE_FOLDERS, is_said
from servicecert_cli.main import main
from servicecert_worker.runtime.environment import KNOWN

from docs import pages, tables

WATCHING = CHECKOUT / "docs" / "watching.md"
README_LINES = 120


def relative(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in pages.anchors(target), f"{link} names no heading of {target.name}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_tables_are_current(page: Path) -> None:
    assert page.read_text() == tables.written(page), "run `make format`"


def test_every_variable_is_known_to_all_processes() -> None:
    assert KNOWN.read_text() == tables.variables(), "run `make format`"


def test_every_protection_names_a_test_that_exists() -> None:
    """F1 to F5: what a compromised part cannot do is tried."""
    page = (CHECKOUT / "docs" / "security.md").read_text()
    files = (CHECKOUT / "tests").rglob("test_*.py")
    exist = set(re.findall(r"^ *(?:async )?def (test_\w+)", "".join(file.read_text() for file in files), re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", page)) - exist == set()
    rows = [row for row in re.findall(r"^\| .+ \|$", page, re.MULTILINE) if "test" in row and "|---" not in row]
    assert len(rows) >= 40


def test_every_page_is_found_from_the_readme() -> None:
    found, new = set(), {CHECKOUT / "README.md"}
    while new:
        page = new.pop()
        found.add(page)
        for link in pages.links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in found:
                new.add(target)
    assert set(PAGES) - found == {CHECKOUT / "schemas" / "README.md"}


def test_the_readme_is_short_and_names_both_commands() -> None:
    text = (CHECKOUT / "README.md").read_text()
    assert len(text.splitlines()) <= README_LINES
    assert "    make demo\n" in text
    assert "    make test\n" in text


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"(?:`|    )make ([a-z-]+)", page.read_text()):
        assert target in targets


@pytest.mark.parametrize(
    ("page", "line"), [pytest.param(*shown, id=f"{shown[0].stem}: {shown[1]}") for shown in pages.commands()]
)
def test_commands_and_their_options_exist(page: Path, line: str) -> None:
    command: click.Command = main
    words = shlex.split(line.replace("…", ""))[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"{line} is no command"
        command = found
    known = {name for parameter in command.params for name in parameter.opts} | {"-h", "--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("row", pages.rows(WATCHING, "log-lines"), ids=lambda row: row[0])
def test_sentences_are_what_the_code_says(row: list[str]) -> None:
    sentence = html.unescape(row[0])
    assert is_said(sentence), f"no such text in the code: {sentence}"


def test_every_variable_that_the_pages_name_is_known() -> None:
    code = "\n".join(
        path.read_text()
        for folder in PACKAGE_FOLDERS
        for path in (CHECKOUT / folder).rglob("*")
        if path.suffix in (".py", ".yml")
    )
    listed = {row[0].strip("`") for row in pages.rows(pages.SETTINGS, "environment")}
    for page in PAGES:
        for name in re.findall(r"`((?:SERVICECERT|SMTP)_[A-Z_]+)`", page.read_text()):
            assert name in listed or name in code, f"{page.name} names {name}"


def test_every_metric_that_the_pages_name_is_one() -> None:
    for page in PAGES:
        for name in re.findall(r"`[^`]*?\b(servicecert_[a-z_]+)\b[^`]*`", page.read_text()):
            assert is_metric(name) or re.match(
                r"servicecert_(schemas|worker|pki|cli|launcher|monitoring|intake|issuer|revoker|notifier)", name
            ), f"{page.name} names {name}"


def test_each_dependency_has_its_reason_and_nothing_else_has() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    dependencies = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    page = CHECKOUT / "docs" / "dependencies.md"
    tables = ("runtime", "embedded", "development", "fuzz")
    documented = [each for name in tables for row in pages.rows(page, name) for each in re.findall(r"`(.+?)`", row[0])]
    assert sorted(documented) == sorted(re.split(r"[\[~]", each)[0] for each in dependencies)

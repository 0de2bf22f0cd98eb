"""Each alert has a page in the runbook, each page the same headings, and what it names and quotes exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from docs.metrics import is_metric, names_in, rules
from docs.pages import CHECKOUT
from docs.sentences import is_said
from servicecert_cli.main import main

from docs import pages

RUNBOOK = CHECKOUT / "docs" / "runbook"
README = RUNBOOK / "README.md"
PAGES = tuple(sorted(set(RUNBOOK.glob("[A-Z]*.md")) - {README}))
LOOK = "Look here"
HEADINGS = [LOOK, "Do this"]
AFFECTED, OVER = "\n**Affected:**", "\n\n**Over** when"
FEWEST_LINES, MOST_LINES = 10, 36
MARKS = ("run", "await", "fault")
OPERATORS = frozenset("();<>|&")


def alerts() -> list[str]:
    return [rule["alert"] for rule in rules("alerts.yml")]


def expressions(page: Path, heading: str | None = None) -> list[str]:
    """Return the PromQL expressions of a page or of one of its parts, one a line."""
    text = page.read_text()
    if heading is not None:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for block in pages.blocks_in(text) if block.words == ("promql",) for line in block.text.splitlines()]


def ends(page: Path) -> list[str]:
    """Return the PromQL expressions that say whether it is over."""
    code = re.findall(r"`([^`]+)`", page.read_text().partition(OVER)[2])
    return [each for each in code if names_in(each) or "up{" in each]


def log_lines(page: Path) -> list[str]:
    """Return the log lines that a page quotes."""
    return re.findall(r"^ *> (.+)$", page.read_text(), re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each `servicecert …` in a shell block."""
    for block in pages.blocks(page):
        if block.words[:1] == ("sh",):
            lexer = shlex.shlex(
                block.text.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True
            )
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= OPERATORS:
                    words = _without_variables(words)
                    if words[:1] == ["servicecert"]:
                        yield words[1:]
                    words = []
                else:
                    words.append(word)


def _without_variables(words: list[str]) -> list[str]:
    """Return a command without the variables that are set for it."""
    return next((words[n:] for n, word in enumerate(words) if not re.match(r"[a-zA-Z_]+=", word)), [])


def parsed(words: list[str]) -> None:
    """Parse a command's words as the command does, and do not run it. Raises `click.UsageError`."""
    command: click.Command = main
    words = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0]) if words else None
        if found is None:
            raise click.UsageError(f"{command.name} has no command {words[:1]}")
        command, words = found, words[1:]
    context = click.Context(command)
    values, rest, _ = command.make_parser(context).parse_args(words)
    if rest:
        raise click.UsageError(f"{command.name} takes no {rest}")
    for parameter in command.params:
        value = values.get(parameter.name or "")
        given = isinstance(value, str | list | tuple | bool) and value != ()
        if parameter.required and not given:
            raise click.UsageError(f"{command.name} needs {parameter.name}")
        if given and isinstance(parameter.type, click.Choice):
            for each in (value,) if isinstance(value, str) else value:
                parameter.type.convert(each, parameter, context)


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert sorted(page.stem for page in PAGES) == sorted(alerts())
    for rule in rules("alerts.yml"):
        link = rule["annotations"]["runbook_url"]
        assert link.endswith(f"/{rule['alert']}.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short_and_has_the_headings(page: Path) -> None:
    # The head is made from the catalogue of conditions.
    head, _, text = page.read_text().partition("<!-- end -->\n")
    assert head.startswith(f"# {page.stem}\n\n<!-- head -->\n**")
    assert re.findall(r"^##+ (.+)$", text, re.MULTILINE) == HEADINGS
    assert (text.count(AFFECTED), text.count(OVER)) == (1, 1)
    assert FEWEST_LINES <= sum(map(bool, text.splitlines())) <= MOST_LINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_when_it_is_over(page: Path) -> None:
    assert ends(page)
    assert re.search(r"\bfor\s+(\d+|an)\s+(minute|hour|day)", page.read_text().partition(OVER)[2])


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_log_lines_are_what_the_code_says(page: Path) -> None:
    for line in log_lines(page):
        assert is_said(line), f"no such text in the code: {line}"


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_commands_can_be_parsed(page: Path) -> None:
    for words in commands(page):
        try:
            parsed(words)
        except click.UsageError as fault:
            pytest.fail(f"servicecert {shlex.join(words)}: {fault.format_message()}")


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_shell_blocks_have_known_marks(page: Path) -> None:
    assert all(set(block.words[1:]) <= set(MARKS) for block in pages.blocks(page) if block.words[:1] == ("sh",))


def test_metrics_exist() -> None:
    files = {
        f"{rule.get('alert') or rule['record']}": rule["expr"]
        for rule in (*rules("alerts.yml"), *rules("recording.yml"))
    }
    for page in (*PAGES, README):
        files |= {f"{page.stem}: {expression}": expression for expression in [*expressions(page), *ends(page)]}
    unknown = {place: {name for name in names_in(text) if not is_metric(name)} for place, text in files.items()}
    assert {place: names for place, names in unknown.items() if names} == {}


def test_expressions_are_promql(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    found = [(page, expression) for page in (*PAGES, README) for expression in [*expressions(page), *ends(page)]]
    recorded = [
        {"record": f"runbook:{number}", "expr": expression, "labels": {"page": page.stem}}
        for number, (page, expression) in enumerate(found)
    ]
    file = tmp_path / "runbook.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": recorded}]}))
    result = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{len(found)} rules found" in result.stdout

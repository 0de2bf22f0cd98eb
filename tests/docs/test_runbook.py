"""Each alert has a section in the runbook, each section the same parts, and what it names and quotes exists."""

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
from docs.pages import ALERTS, README
from docs.sentences import is_said
from servicecert_cli.main import main
from servicecert_schemas.broker import Principal

from docs import pages

AFFECTED, OVER = "**Affected:**", "**Over** when"
MOST_LINES = 36
MARKS = ("run", "await", "fault")
OPERATORS = frozenset("();<>|&")


def sections(page: Path) -> dict[str, str]:
    """Return the text below each heading of the second level: its head, and what it shares with those that follow."""
    _, *parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    found, shared = {}, ""
    for part in reversed(parts):
        heading, head, text = (*part.split("\n\n", 2), "")[:3]
        shared = text or shared
        found[heading] = f"{head}\n\n{shared}"
    return found


ALL = {heading: text for page in ALERTS for heading, text in sections(page).items()}


def expressions(page: Path) -> list[str]:
    """Return the PromQL expressions of a page: one a line of its blocks, and those between backticks."""
    blocks = [line for block in pages.blocks(page) if block.words == ("promql",) for line in block.text.splitlines()]
    return blocks + [each for each in re.findall(r"`([^`]+)`", pages.prose(page)) if names_in(each)]


def ends(section: str) -> list[str]:
    """Return the PromQL expressions that say whether it is over."""
    code = re.findall(r"`([^`]+)`", section.partition(OVER)[2])
    return [each for each in code if names_in(each) or "up{" in each]


def quotations(page: Path) -> list[str]:
    """Return what a page quotes: lines of the log and other sentences of ours."""
    text = re.sub(r"`[^`]*`", lambda code: "" if '"' in code[0] else code[0], " ".join(pages.prose(page).split()))
    return re.findall(r'"([^"]+)"', text)


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


def test_each_alert_leads_to_its_section_and_each_section_has_an_alert() -> None:
    assert sorted(ALL) == sorted(rule["alert"] for rule in rules("alerts.yml"))
    for rule in rules("alerts.yml"):
        file, _, anchor = rule["annotations"]["runbook_url"].rpartition("/")[2].partition("#")
        assert anchor in pages.anchors(README.parent / file)


@pytest.mark.parametrize("alert", ALL)
def test_a_section_is_short_and_has_its_parts(alert: str) -> None:
    # The head is made from the catalogue of conditions.
    head, _, text = ALL[alert].partition("\n\n")
    assert head.startswith(("**Critical**", "**Warning**"))
    assert (text.count(AFFECTED), text.count(OVER)) == (1, 1)
    assert re.search(r"^1\. ", text, re.MULTILINE)
    assert sum(map(bool, text.splitlines())) <= MOST_LINES


@pytest.mark.parametrize("alert", ALL)
def test_a_section_says_when_it_is_over(alert: str) -> None:
    assert ends(ALL[alert])
    assert re.search(r"\bfor\s+(\d+|an)\s+(minute|hour|day)", ALL[alert].partition(OVER)[2])


@pytest.mark.parametrize("page", ALERTS, ids=lambda page: page.stem)
def test_what_is_quoted_is_what_the_code_says(page: Path) -> None:
    assert [each for each in quotations(page) if not is_said(each)] == []


@pytest.mark.parametrize("page", [*ALERTS, README], ids=lambda page: page.stem)
def test_commands_can_be_parsed(page: Path) -> None:
    for words in commands(page):
        try:
            parsed(words)
        except click.UsageError as fault:
            pytest.fail(f"servicecert {shlex.join(words)}: {fault.format_message()}")


@pytest.mark.parametrize("page", [*ALERTS, README], ids=lambda page: page.stem)
def test_shell_blocks_have_known_marks(page: Path) -> None:
    users = {f"as-{user}" for user in Principal}
    assert all(set(block.words[1:]) <= {*MARKS, *users} for block in pages.blocks(page) if block.words[:1] == ("sh",))


def _all_expressions() -> list[tuple[Path, str]]:
    return [(page, expression) for page in (*ALERTS, README) for expression in expressions(page)]


def test_metrics_exist() -> None:
    files = {
        f"{rule.get('alert') or rule['record']}": rule["expr"]
        for rule in (*rules("alerts.yml"), *rules("recording.yml"))
    }
    files |= {f"{page.stem}: {expression}": expression for page, expression in _all_expressions()}
    unknown = {place: {name for name in names_in(text) if not is_metric(name)} for place, text in files.items()}
    assert {place: names for place, names in unknown.items() if names} == {}


def test_expressions_are_promql(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    found = _all_expressions()
    recorded = [
        {"record": f"runbook:{number}", "expr": expression, "labels": {"page": page.stem}}
        for number, (page, expression) in enumerate(found)
    ]
    file = tmp_path / "runbook.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": recorded}]}))
    result = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{len(found)} rules found" in result.stdout

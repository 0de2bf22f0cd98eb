"""Generates tables of the pages from the code: environment variables, metrics, tests of each rule, and more.

    .venv/bin/python tests/docs/tables.py       rewrites them, as `make format` does

A table is between `<!-- NAME -->` and `<!-- end -->`. In a table of rules only the last column is generated. A heading
that is an alert's name is followed by what the catalogue says of it.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import click
from commandline import LEAVES
from contracts.members import lists as enumerations
from docs.form import form_fields
from docs.metric_tables import metrics
from docs.pages import CHECKOUT, table
from docs.rights import ACTS, PEOPLE, YES, answer
from docs.who_may import broker_quotas, database_rights
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from servicecert_cli.commands import crl
from servicecert_cli.demo.example import MAIL_FOLDER
from servicecert_cli.main import main
from servicecert_cli.watching.conditions import CONDITIONS, Condition, Subject
from servicecert_cli.watching.doctor.examine import CATALOGUE as CHECKS
from servicecert_cli.watching.doctor.facts.machine import SETTINGS
from servicecert_cli.watching.settings import CanarySettings, LagSettings
from servicecert_intake.domain.rules.deficiencies import LACKS, TEXTS
from servicecert_intake.domain.rules.renewal import NOTES
from servicecert_intake.domain.view import ANSWERS, UNCHANGED
from servicecert_revoker.domain.requests import TEXTS as REFUSALS
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_schemas.case import CaseState
from servicecert_schemas.event import Role
from servicecert_schemas.meanings import meanings
from servicecert_schemas.membership import TOO_MANY_MEMBERS, reasons_of
from servicecert_schemas.revocation import REASONS
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.runtime.environment import KNOWN, OURS
from servicecert_worker.runtime.settings import ProcessSettings, ReaderSettings, WorkerSettings
from servicecert_worker.storage import database
from services.intake.steps import TRANSITION_CAUSES

DOCS = CHECKOUT / "docs"
LANGUAGES = ("svenska", "suomi", "English")
_TEST = re.compile(r"^ *(?:async )?def test((?:_[A-FIf]\d+)+)_", re.MULTILINE)
_HEAD = re.compile(r"^## (\w+)\n\n(?:\*\*(?:Critical|Warning)\*\*(?:.+\n)+\n)?", re.MULTILINE)
_MARK = re.compile(r"mark\.rule\(\"([A-F]\d+)\"\)")


def environment() -> list[str]:
    """Return each environment variable, once, with the services that read it."""
    readers: dict[str, list[str]] = defaultdict(list)
    fields: dict[str, tuple[FieldInfo, str]] = {}
    everybody = ProcessSettings.model_fields.keys()
    for who, settings in (
        ("all", ProcessSettings),
        ("readers", ReaderSettings),
        ("services", WorkerSettings),
        *((service, _settings(service)) for service in SERVICES),
        ("ocsp", ResponderSettings),
        ("lag", LagSettings),
        ("canary", CanarySettings),
    ):
        below = meanings(settings)
        for name, field in settings.model_fields.items():
            if name in everybody and settings is not ProcessSettings:
                continue
            variable = field.alias or name.upper()
            if who in SERVICES and "services" in readers[variable]:
                continue
            readers[variable].append(who)
            fields.setdefault(variable, (field, below[name]))
    rows = {variable: (_default(field), meaning) for variable, (field, meaning) in fields.items()}
    for option in crl.serve.params:
        readers[str(option.envvar)].append("crl")
        rows.setdefault(str(option.envvar), (f"`{option.default}`" if option.default else "none", _help(option)))
    return table(
        ("variable", "read by", "default", "meaning"),
        ((f"`{variable}`", ", ".join(readers[variable]), *row) for variable, row in rows.items()),
    )


def _help(option: click.Parameter) -> str:
    return option.help or "" if isinstance(option, click.Option) else ""


def variables() -> str:
    """Return the names of all variables that a process or a command reads, a line each."""
    ends = ("DATABASE_PASSWORD", "DATABASE_PASSWORD_FILE")
    found = {f"SERVICECERT_{name.upper()}_{end}" for name in (*SERVICES, *database.LOGINS) for end in ends}
    found |= {field.alias or name.upper() for each in SETTINGS for name, field in each.model_fields.items()}
    found |= {str(it.envvar) for _, command in LEAVES for it in command.params if it.envvar}
    found |= {"SERVICECERT_DIE_AT", MAIL_FOLDER}
    return "".join(f"{name}\n" for name in sorted(found) if name.startswith(OURS))


def commands() -> list[str]:
    """Return each command, with what it does and its arguments and options."""
    return table(("command", "does", "arguments and options"), _commands(main, ()))


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for name in group.list_commands(click.Context(group)):
        each = group.get_command(click.Context(group), name)
        assert each is not None
        if isinstance(each, click.Group):
            yield from _commands(each, (*path, name))
        if not isinstance(each, click.Group) or each.invoke_without_command:
            does, _, _ = inspect.cleandoc(each.help or "").partition("\n\n")
            taken = " ".join(
                it.opts[0] if isinstance(it, click.Option) else it.make_metavar(click.Context(each))
                for it in each.params
            )
            yield f"`{' '.join((*path, name))}`", " ".join(does.split()), f"`{taken}`" if taken else ""


def conditions() -> list[str]:
    """Return the conditions that are no alerts: only the doctor looks at them."""
    return table(
        ("condition", "about", "severity", "what is wrong", "because"),
        ((name, it.subject, it.severity or "", it.text, it.why) for name, it in CONDITIONS.items() if not it.page),
    )


def alerts() -> list[str]:
    """Return the pages of the runbook, each with its alerts."""
    found: dict[Subject, list[str]] = defaultdict(list)
    for name, it in CONDITIONS.items():
        if it.page:
            found[it.subject].append(f"[{name}]({it.page})")
    return table(("about", "alerts"), ((subject, ", ".join(links)) for subject, links in found.items()))


def head(it: Condition) -> str:
    """Return what the catalogue says of an alert, for its heading in the runbook."""
    says = f"says: {it.advice}" if it.remedy else "looks too."
    return (
        f"**{str(it.severity).capitalize()}**, within {it.within} of its cause: {it.text} {it.why}".rstrip()
        + f"\nWhen `{it.when}`."
        + (f" `servicecert doctor --only {it.name}` {says}" if it.name in CHECKS else "")
    )


def _with_head(match: re.Match[str]) -> str:
    it = CONDITIONS.get(match[1])
    return f"## {it.name}\n\n{head(it)}\n\n" if it and it.page else match[0]


def reasons() -> list[str]:
    """Return the reasons for a revocation, and the roles that may give them."""
    roles = [role for role in Role if role is not Role.OPERATOR]
    return table(
        ("code", "who may give it", *LANGUAGES),
        (
            (
                f"`{reason}`",
                ", ".join(f"`{role}`" for role in roles if reason in reasons_of(role)) or "the authority alone",
                texts.sv,
                texts.fi,
                texts.en,
            )
            for reason, texts in REASONS.items()
        ),
    )


def rights() -> list[str]:
    """Return who may do what in a case, and the code of the answer to everybody else."""

    def shown(code: str) -> str:
        return code if code == YES else f"`{code}`"

    return table(
        ("who", *ACTS),
        ((person.name, *(shown(answer(person, act)) for act in ACTS)) for person in PEOPLE),
    )


def lists() -> list[str]:
    """Return the open and the closed lists, with what a reader does with an unknown member, or why there is none."""
    found = enumerations()
    return table(
        ("list", "is", "members", "a reader that does not know a member; why it is closed"),
        (
            (f"`{name}`", standing.lower(), ", ".join(f"`{member}`" for member in found[name]), " ".join(text.split()))
            for name in sorted(found)
            for _, _, about in [(found[name].__doc__ or "").partition("\n\n")]
            for standing, _, text in [about.strip().rstrip(".").partition(": ")]
        ),
    )


OF_ACCOUNTS = {
    "account": "`not-a-member`, `role-not-allowed`, `not-strongly-authenticated`",
    "full": f"`{TOO_MANY_MEMBERS}`",
    "record": "`wrong-schema`, `wrong-topic`, and so on: it is no valid event",
}


def codes() -> list[str]:
    """Return each code that comes with a text for people: where it stands, of which field, and its text in English."""
    lacks = {each.key or each.code: each for each in LACKS}
    return table(
        ("code", "in", "field", "text"),
        (
            *(
                (f"`{lacks[key].code}`", f"deficiency: {lacks[key].severity}", f"`{lacks[key].field}`", it.en)
                for key, it in TEXTS.items()
            ),
            *((f"`{code}`", "answer to an event", "", it.en) for code, it in ANSWERS.items()),
            *((those, "answer to a change of an account", "", UNCHANGED[key].en) for key, those in OF_ACCOUNTS.items()),
            *((f"`{code}`", "answer to a request for revocation", "", it.en) for code, it in REFUSALS.items()),
            *((f"`{code}`", "note on a renewal", "", it.en) for code, it in NOTES.items()),
        ),
    )


def topics() -> list[str]:
    """Return the catalogue of topics."""
    return table(
        ("topic", "key", "written by", "read by", "kept"),
        (
            (
                f"`{topic.name}`",
                topic.key,
                ", ".join(topic.writers),
                ", ".join(topic.readers),
                "the last of each key"
                if topic.compacted
                else f"{topic.retention.days} days"
                if topic.retention
                else "for ever",
            )
            for topic in CATALOGUE
        ),
    )


def case() -> list[str]:
    """Return the state diagram of a case, with the events of each transition."""
    names = {state: state.replace("-", "_") for state in CaseState}
    ends = [state for state in CaseState if not any(before is state for before, _ in TRANSITION_CAUSES)]
    return [
        "```mermaid",
        "stateDiagram-v2",
        *(f'    state "{state}" as {name}' for state, name in names.items() if state != name),
        f"    [*] --> {names[CaseState.SUBMITTED]}: application.submitted",
        *(
            f"    {names[before]} --> {names[after]}: {', '.join(events)}"
            for (before, after), events in TRANSITION_CAUSES.items()
        ),
        *(f"    {names[state]} --> [*]" for state in ends),
        "```",
    ]


def file_of(rule: str) -> str:
    """Return a link to the test file that names a rule or an invariant most often."""
    named = _named()[rule]
    if not named:
        return "-"
    path = max(named, key=lambda each: named[each])
    return f"[{path.parent.name}/{path.stem.removeprefix('test_')}](../{path.relative_to(CHECKOUT)})"


@cache
def _named() -> Mapping[str, Counter[Path]]:
    """Return for each rule how many tests of which file name it. Those of the example hold no service to a rule."""
    found: dict[str, Counter[Path]] = defaultdict(Counter)
    for path in sorted(set((CHECKOUT / "tests").rglob("test_*.py")) - set((CHECKOUT / "tests/e_service").rglob("*"))):
        text = path.read_text()
        for rule in (
            *(name.upper() for names in _TEST.findall(text) for name in names.split("_")[1:]),
            *_MARK.findall(text),
        ):
            found[rule][path] += 1
    return found


def written(page: Path) -> str:
    """Return a page with its tables generated."""
    text = page.read_text()
    for name, lines in WHOLE.items():
        begin = f"<!-- {name} -->\n"
        if begin in text:
            before, _, rest = text.partition(begin)
            _, end, after = rest.partition("<!-- end -->")
            text = "".join((before, begin, *(f"{line}\n" for line in lines()), end, after))
    text = _HEAD.sub(_with_head, text)
    return re.sub(r"<!-- rules -->\n.*?<!-- end -->", lambda match: _with_tests(match[0]), text, flags=re.DOTALL)


def _with_tests(table: str) -> str:
    return re.sub(
        r"^(\| (?:\*\*)?([A-FI]\d+)\b.*\|)[^|\n]*\|$",
        lambda row: f"{row[1]} {file_of(row[2])} |",
        table,
        flags=re.MULTILINE,
    )


def _settings(service: str) -> type[BaseSettings]:
    settings: type[BaseSettings] = import_module(f"servicecert_{service}.settings").Settings
    return settings


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    value = field.default
    assert not isinstance(value, SecretStr)
    if value is None or value in ("", frozenset()):
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


WHOLE: dict[str, Callable[[], list[str]]] = {
    "environment": environment,
    "commands": commands,
    "metrics": metrics,
    "conditions": conditions,
    "alerts": alerts,
    "codes": codes,
    "form": form_fields,
    "reasons": reasons,
    "rights": rights,
    "lists": lists,
    "topics": topics,
    "broker-quotas": broker_quotas,
    "database-rights": database_rights,
    "case": case,
}


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    KNOWN.write_text(variables())
    for each in sorted(DOCS.rglob("*.md")):
        if (text := written(each)) != each.read_text():
            each.write_text(text)
            print(f"{each.relative_to(CHECKOUT)} was rewritten")

"""An empty selection is no success: each command that selects by a name or an id refuses one that is not there.

The names are found in the tree of commands: a new one has to be refused, or to be told here what it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from uuid import uuid4

import click
import pytest
from commandline import LEAVES, one_sentence
from servicecert_intake.service import MIGRATIONS as INTAKE
from servicecert_issuer.service import MIGRATIONS as ISSUER
from servicecert_notifier.service import MIGRATIONS as NOTIFIER
from servicecert_revoker.service import MIGRATIONS as REVOKER

TABLES = {"intake": [INTAKE], "issuer": [ISSUER], "revoker": [REVOKER], "notifier": [NOTIFIER]}
NAME = "no-such-name"
FREE = (type(click.UUID), type(click.STRING))

TEXTS = frozenset({"why", "explanation", "user", "notify", "address", "operator"})
"""What is written down, and selects nothing."""

MADE_OR_ASKED: Mapping[str, str] = {
    "submit case_id": "the e-service's event: intake answers it",
    "submit account": "the e-service's event: intake answers it",
    "revoke account": "the e-service's event: the revoker answers it, and does not tell what exists (D1)",
    "revoke serial": "the e-service's event: the revoker answers it, and does not tell what exists (D1)",
    "watch case_id": "it follows a case from before its first event",
    "mail resend reason": "a text for the audit",
    "ca void reason": "a text for the audit",
    "parked list reason": "a look whether anything is parked for that reason",
    "db operator name": "it makes the login",
    "db reader name": "it makes the login",
    **dict.fromkeys(("db prepare ca", "db operator ca", "db reader ca"), "a path that is written into URLs"),
    "proposals credential name": "it makes the password of a login that comes later",
    "topics acls strimzi": "the cluster's name is printed",
    "crl serve host": "an address to listen on",
    "crl serve proxy_networks": "networks of others",
}
"""What is no selection, and why."""

MORE: Mapping[str, tuple[str, ...]] = {
    "revoke": ("--serial", "4a01", "--reason", "key-exposed"),
    "incident plan": ("--out", "plan.json"),
    "parked list": ("--service", "intake"),
    "parked show": ("--service", "intake"),
    "parked replay": ("--service", "intake", "--yes"),
    "parked discard": ("--service", "intake"),
    "mail resend mail_id": ("--reason", "why"),
    "mail resend relay": ("--reason", "why", "--refused-since", "2026-01-31"),
    "revoke reason": ("--serial", "4a01"),
    "proposals withdraw": ("--why", "why"),
    "proposals operator": ("--why", "why"),
    "ca activate": ("--from", "2027-03-01"),
    "ca void": ("--reason", "why", "--yes"),
}
"""What else a command needs, or one of its names."""

BEFORE: Mapping[str, tuple[str, ...]] = {
    "ca activate": ("ca",),
    "proposals operator": ("remove",),
    "revoke reason": (str(uuid4()),),
}


def names() -> Iterator[tuple[str, click.Parameter]]:
    """Yield each parameter that takes any text or id, with its command."""
    for path, command in LEAVES:
        for parameter in command.params:
            if isinstance(parameter.type, FREE) and parameter.name not in TEXTS:
                yield " ".join(path), parameter


SELECTING = [
    pytest.param(command, parameter, id=f"{command} {parameter.name}")
    for command, parameter in names()
    if f"{command} {parameter.name}" not in MADE_OR_ASKED
]


def _of(words: Mapping[str, tuple[str, ...]], command: str, parameter: click.Parameter) -> tuple[str, ...]:
    return words.get(f"{command} {parameter.name}", words.get(command, ()))


@pytest.mark.parametrize(("command", "parameter"), SELECTING)
def test_a_name_that_is_not_there_is_refused(
    servicecert, place, cluster, authority, tmp_path, monkeypatch, command, parameter
):
    monkeypatch.chdir(tmp_path)
    if command.startswith("ca "):
        shutil.copytree(authority, tmp_path / "ca")
    name = str(uuid4()) if isinstance(parameter.type, type(click.UUID)) else NAME
    words = [*command.split(), *_of(BEFORE, command, parameter)]
    words += [parameter.opts[0], name] if isinstance(parameter, click.Option) else [name]
    words += _of(MORE, command, parameter)
    done = servicecert(*words)
    assert done.exit_code != 0
    assert not done.stdout
    # Wrong usage names the parameter, and what it takes.
    assert (name if done.exit_code != 2 else parameter.opts[0]) in done.stderr
    assert "Usage:" in done.stderr or one_sentence(done.stderr)
    # What would be done is refused as what is done.
    assert servicecert(*(word for word in words if word != "--yes")).exit_code == done.exit_code
    options = {name for option in dict(LEAVES)[tuple(command.split())].params for name in option.opts}
    for option in options & {"--json", "--dry-run"}:
        assert servicecert(*words, option).exit_code == done.exit_code


def test_what_is_said_to_be_no_selection_exists():
    assert MADE_OR_ASKED.keys() <= {f"{command} {parameter.name}" for command, parameter in names()}

"""`servicecert doctor`: what is wrong with an installation, why that matters, and what to do."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import click

from ..faults import listed
from ..terminal import interruption
from ..terminal.output import as_json, escaped, print_json
from ..watching.conditions import CONDITIONS, Severity
from ..watching.doctor.domain.check import FAULTS, Check, exit_code
from ..watching.doctor.examine import CATALOGUE, OPERATOR, examine

COLOURS = {
    Severity.OK: "green",
    Severity.SKIPPED: "bright_black",
    Severity.UNKNOWN: "magenta",
    Severity.WARNING: "yellow",
    Severity.CRITICAL: "red",
}
_NOT_MADE = (Severity.SKIPPED, Severity.UNKNOWN)
_MARK = max(len(severity) for severity in Severity)
_NAME = max(map(len, CATALOGUE))


class _UnknownName(click.BadParameter):
    """Monitoring plugins end with 3 where they were called wrongly: 2 is a critical fault."""

    exit_code = 3


def _names(_: click.Context, __: click.Parameter, given: Sequence[str]) -> frozenset[str]:
    names = [name for each in given for name in each.split(",") if name]
    known = {_folded(name): name for name in CATALOGUE}
    if unknown := sorted(name for name in names if _folded(name) not in known):
        raise _UnknownName(f"{', '.join(unknown)}: no such check; there are {', '.join(CATALOGUE)}.")
    return frozenset(known[_folded(name)] for name in names)


def _folded(name: str) -> str:
    """Return a name as people may type it: `topic-settings` is TopicSettings."""
    return name.replace("-", "").lower()


@click.command()
@click.option("--only", "names", multiple=True, callback=_names, metavar="NAME,…", help="Make these checks only.")
@as_json
def command(names: frozenset[str], as_json: bool) -> None:
    """Say what is wrong, why that matters, and what to do.

    Asks Kafka, PostgreSQL, the addresses in certificates, the mail server and the
    environment; changes nothing, sends no mail, and takes at most some 10 s.
    DATABASE_URL names a reader's login (`servicecert db reader`), the broker's user is
    `operator`. A check whose setting is not given is skipped. Exit codes are those
    of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown.

    Examples:
      servicecert doctor
      servicecert doctor --only Crl,Ocsp --json
    """
    found = interruption.run(examine(names), doing="Looking")
    if as_json:
        print_json(found)
    else:
        _print(found)
    raise SystemExit(exit_code(check.severity for check in found))


def _print(found: Sequence[Check]) -> None:
    """Print a line for each check that was made, below a fault why it matters and what to do; then a summary."""
    made = [check for check in found if check.severity not in _NOT_MADE]
    for subject, checks in groupby(made, key=lambda check: check.subject):
        click.secho(str(subject), bold=True)
        for check in checks:
            _print_check(check)
    for severity in _NOT_MADE:
        _print_not_made(severity, [check for check in found if check.severity is severity])
    count = Counter(check.severity for check in found)
    click.echo(f"\n{', '.join(f'{count[severity]} {severity}' for severity in reversed(Severity) if count[severity])}.")
    for severity in reversed(FAULTS):
        if names := [check.name for check in found if check.severity is severity]:
            click.echo(f"{click.style(f'{severity}:', COLOURS[severity])} {', '.join(names)}")


def _print_not_made(severity: Severity, checks: Sequence[Check]) -> None:
    reasons: dict[str, list[str]] = {}
    for check in checks:
        # Which rights are missing is in --json.
        finding = "" if check.remedy == OPERATOR else check.finding
        reasons.setdefault(f"{finding} {check.remedy}".strip(), []).append(check.name)
    if reasons:
        click.secho(str(severity), fg=COLOURS[severity], bold=True)
    for reason, names in reasons.items():
        click.echo(f"  {escaped(reason)} ({listed(names, most=8)})")


def _print_check(check: Check) -> None:
    mark = click.style(f"{check.severity:<{_MARK}}", COLOURS[check.severity])
    click.echo(f"  {mark}  " + escaped(f"{check.name:<{_NAME}}  {check.finding}"))
    margin = f"  {'':{_MARK}}  {'':{_NAME}}  "
    if check.severity in FAULTS:
        click.echo(f"{margin}why: {check.why}")
    if check.remedy:
        click.echo(f"{margin}-> {escaped(check.remedy)}")
    if check.severity in FAULTS and (page := CONDITIONS[check.name].page):
        click.echo(f"{margin}docs/runbook/{page}")

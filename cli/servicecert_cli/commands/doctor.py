"""`servicecert doctor`: which limit of the installation is near."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click
from servicecert_pki.characters import escaped

from ..operations.limit_checks import Check, Verdict
from ..operations.limit_facts import checks
from ..terminal import interruption
from ..terminal.output import as_json, print_json

COLOURS = {Verdict.OK: "green", Verdict.NEAR: "yellow", Verdict.LIMIT: "red", Verdict.UNKNOWN: "magenta"}


@click.command()
@as_json
def command(as_json: bool) -> None:
    """Say which limit is near: workers, lag, connections, topics, side effects, CRLs.

    Reads Kafka and PostgreSQL, changes nothing, and takes some 5 s. Each check is ok,
    near, at its limit, or unknown if it could not be made; below it is what to do.
    DATABASE_URL names the role that made the schemas: a service's own role sees less.
    The exit code is 1 if a check is at its limit or unknown.

    \b
    Examples:
      servicecert doctor
      servicecert doctor --json
    """
    found = interruption.run(checks())
    if as_json:
        print_json([asdict(check) for check in found])
    else:
        _print(found)
    if any(check.verdict in (Verdict.LIMIT, Verdict.UNKNOWN) for check in found):
        raise SystemExit(1)


def _print(found: Sequence[Check]) -> None:
    """Print a line for each check, what to do on a line below it, and how many there are of each verdict."""
    width = max(len(check.subject) for check in found)
    for check in found:
        verdict = click.style(f"{check.verdict:<7}", COLOURS[check.verdict])
        click.echo(f"{verdict}  " + escaped(f"{check.subject:<{width}}  {check.finding}"))
        if check.remedy:
            click.echo(f"{'':7}  {'':{width}}  -> {check.remedy}")
    count = Counter(check.verdict for check in found)
    click.echo(", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict if count[verdict]) + ".")

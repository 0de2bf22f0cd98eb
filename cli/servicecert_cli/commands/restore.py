"""`servicecert restore`: a database that was restored to an earlier moment is brought forward by the journals."""

import importlib
import sys

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.runtime.environment import read
from servicecert_worker.runtime.restoring import Forward
from servicecert_worker.runtime.settings import WorkerSettings

from ..operations import restoring
from ..operations.auditing import short_name
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table


@click.group()
def command() -> None:
    """Bring a database forward that was restored to an earlier moment than the topics.

    Run both commands for each service, while none of its workers runs: they refuse to
    start on such a database. They take the service's own settings, but for DATABASE_URL,
    which is the migrator's.

    Examples:
      servicecert restore check issuer
      servicecert restore apply issuer
    """


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
@as_json
def check(service: str, as_json: bool) -> None:
    """Say what a service's journal has and its tables lack. Changes nothing.

    Exit code 1 if they lack anything.

    Examples:
      servicecert restore check issuer
      servicecert restore check issuer --json
    """
    sys.exit(int(_run(service, act=False, as_json=as_json)))


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
@as_json
def apply(service: str, as_json: bool) -> None:
    """Store what a service's journal has and its tables lack. Nothing is decided.

    It also fills empty tables, if the journal has all that the service ever did. It may
    be interrupted and run again. Afterwards the service's workers start.

    Examples:
      servicecert restore apply issuer
      servicecert restore apply issuer --json
    """
    _run(service, act=True, as_json=as_json)


def _run(service: str, *, act: bool, as_json: bool) -> bool:
    """Run a command, and print what the tables lack or lacked. Return whether that is anything."""
    folders = [importlib.import_module(f"servicecert_{service}.service").MIGRATIONS]
    settings = read(WorkerSettings)
    lacked = interruption.run(restoring.run(service, folders, settings, act=act), doing="Reading the journal")
    if as_json:
        print_json({"service": service, "stored": act, "lacked": lacked})
    elif lacked.since is None:
        click.echo(f"The tables of {service} have all that its journal has.")
    else:
        click.echo(
            f"The tables of {service} lack{'ed' if act else ''} all since {lacked.since:%Y-%m-%d %H:%M:%S} UTC:\n"
        )
        print_table(("what", "how many"), _rows(lacked))
        if lacked.changed_since is not None:
            click.echo(
                f"\nCommands since {lacked.changed_since:%Y-%m-%d %H:%M:%S} UTC knew nothing of that, and the journal "
                "takes the place of what they changed: give them again where they still count."
            )
        click.echo("\nIt is stored: start the workers." if act else f"\nRun `servicecert restore apply {service}`.")
    return lacked.since is not None


def _rows(lacked: Forward) -> list[tuple[str, int]]:
    rows = [("rows of the audit", lacked.decisions)]
    rows += [(f"published: {short_name(type)}", number) for type, number in sorted(lacked.published.items())]
    rows += [(f"changes of {table}", number) for table, number in sorted(lacked.changed.items())]
    return rows

"""`servicecert restore`: a database that was restored to an earlier moment is brought forward from the topics."""

import importlib
import os
import sys

import click
from pydantic import ValidationError
from servicecert_schemas.topics import SERVICES
from servicecert_worker.process.application import settings_fault
from servicecert_worker.runtime.settings import WorkerSettings

from ..faults import UserError
from ..operations import replaying
from ..operations.replaying import Outcome, ServiceModule
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table


@click.group()
def command() -> None:
    """Bring a database forward that was restored to an earlier moment than the topics.

    Run both commands for each service, with its own settings, while none of its workers
    runs: they refuse to start on such a database.

    \b
    Examples:
      servicecert restore check issuer
      servicecert restore apply issuer
    """


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
@as_json
def check(service: str, as_json: bool) -> None:
    """Say what the topics have and a service's tables have forgotten. Changes nothing.

    Exit code 1 if anything is forgotten.

    \b
    Examples:
      servicecert restore check issuer
      servicecert restore check issuer --json
    """
    outcome = interruption.run(replaying.run(service_of(service), settings_of(), act=False))
    report(service, outcome, f"servicecert restore apply {service}", as_json=as_json)
    sys.exit(1 if outcome.forgets else 0)


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option(
    "--accept-differences",
    "accept",
    is_flag=True,
    help="Let the workers start although decisions differ from the published ones.",
)
@as_json
def apply(service: str, accept: bool, as_json: bool) -> None:
    """Decide again what a service's tables have forgotten, without a signature, a mail or a CRL.

    It may be interrupted and run again. Afterwards the service's workers start, unless
    decisions differ from the published ones, e.g. because a register changed.

    Exit code 1 if decisions differ, or if some cannot be made.

    \b
    Examples:
      servicecert restore apply issuer
      servicecert restore apply intake --accept-differences
    """
    outcome = interruption.run(replaying.run(service_of(service), settings_of(), act=True, accept=accept))
    report(service, outcome, "", as_json=as_json)
    sys.exit(outcome.exit_code)


def report(service: str, outcome: Outcome, act: str, *, as_json: bool = False) -> None:
    """Print what is forgotten, and what was done about it; `act` is the command that does it."""
    if as_json:
        print_json(outcome.facts())
        return
    if not outcome.forgets:
        click.echo(f"The tables of {service} know all that its topics have.")
        return
    print_table(("what", "how many"), outcome.rows())
    if outcome.done is None:
        click.echo(f"\nNothing is changed. Run `{act}`.")
    elif not outcome.is_open:
        click.echo(
            f"\nThe tables of {service} decide otherwise than its topics say, so its workers do not start: see "
            "docs/runbook/restored-database.md. "
            f"`servicecert restore apply {service} --accept-differences` lets them start."
        )
    elif outcome.done.stuck:
        click.echo(
            f"\nThe tables of {service} are up to its topics, but for what cannot be decided: the log says why. Its "
            "workers try that again."
        )
    else:
        click.echo(f"\nThe tables of {service} are up to its topics: start its workers.")


def service_of(name: str) -> ServiceModule:
    """Return the module of a service."""
    module: ServiceModule = importlib.import_module(f"servicecert_{name}.service")
    return module


def settings_of() -> WorkerSettings:
    """Return the settings of the environment. Raises UserError."""
    try:
        return WorkerSettings()
    except ValidationError as error:
        raise UserError(f"{settings_fault(error)}.", os.EX_CONFIG) from None

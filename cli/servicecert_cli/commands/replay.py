"""`servicecert replay`: an empty database is filled from the topics."""

import sys

import click
from servicecert_schemas.topics import SERVICES

from ..operations import replaying
from ..terminal import interruption
from . import options
from .restore import report, service_of, settings_of


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@options.yes
def command(service: str, yes: bool) -> None:
    """Fill an empty database from the topics.

    For one service: without a signature, a mail or a CRL.

    The service decides every record again that its topics still have, each at the moment
    at which it was decided first. Signatures, mails and CRLs of then are recalled from
    what the service published. Run it with the service's own settings, once `servicecert
    db migrate` has made the tables, and start no worker before it is done.

    \b
    Examples:
      servicecert replay intake
      servicecert replay intake --yes
    """
    result = interruption.run(replaying.run(service_of(service), settings_of(), act=yes, empty=True))
    report(service, result, f"servicecert replay {service} --yes")
    sys.exit(result.exit_code)

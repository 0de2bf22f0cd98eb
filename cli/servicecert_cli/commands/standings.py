"""`servicecert standings`: publish certificate statuses for OCSP responders again, from the revoker's database."""

import click

from ..connections.addresses import cluster, database_url
from ..operations.standings import republish
from ..terminal import interruption
from ..terminal.output import as_json, print_json


@click.command()
@click.option("--yes", is_flag=True, help="Publish what is missing. Without this option nothing is changed.")
@as_json
def command(yes: bool, as_json: bool) -> None:
    """Compare the topic of the OCSP responders with the database, and publish what is missing.

    Responders answer from the topic certificate-standings alone. If it was lost, create
    it again, run this, and only then start the responders: earlier they would answer
    unknown for revoked certificates. May be run again, also while the revoker runs.
    DATABASE_URL names the revoker's own role.

    \b
    Examples:
      servicecert standings
      servicecert standings --yes
    """
    result = interruption.run(republish(database_url(), cluster(), act=yes))
    if as_json:
        print_json({"known": result.known, "missing": result.missing, "published": result.missing if yes else 0})
    elif yes:
        click.echo(f"Published {result.missing} of {result.known} standings again; the topic had the others.")
    else:
        click.echo(f"{result.missing} of {result.known} standings are missing; add --yes to publish them.")

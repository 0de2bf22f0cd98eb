"""`servicecert standings`: what OCSP responders are told, published again from the revoker's database."""

import click

from ..connections.addresses import cluster, database_url
from ..operations.restating import restate
from ..terminal import interruption
from ..terminal.output import as_json, print_json


@click.command()
@click.option("--yes", is_flag=True, help="Publish what is missing. Without this nothing is changed.")
@as_json
def command(yes: bool, as_json: bool) -> None:
    """Hold what OCSP responders are told against the database, and publish what is missing.

    The topic certificate-standings is all that they answer from. Where it was lost, make
    it anew, run this, and only then start the responders: before, revoked certificates
    would be unknown. May be run again, and while the revoker works. DATABASE_URL names
    the revoker's role or an administrator's.

    \b
    Examples:
      servicecert standings
      servicecert standings --yes
    """
    came = interruption.run(restate(database_url(), cluster(), act=yes))
    if as_json:
        print_json({"known": came.known, "missing": came.lacking, "published": came.lacking if yes else 0})
    elif yes:
        click.echo(f"{came.lacking} of {came.known} standings are published again; the others were there.")
    else:
        click.echo(f"{came.lacking} of {came.known} standings are missing; add --yes to publish them.")

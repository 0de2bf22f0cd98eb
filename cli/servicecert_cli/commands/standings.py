"""`servicecert standings`: publish certificate statuses for OCSP responders again, from the revoker's database."""

from pathlib import Path

import click
from servicecert_revoker.service import NAME
from servicecert_worker.service_keys import read_key, read_public_keys
from servicecert_worker.signatures import Signer

from ..connections.addresses import cluster, database_url
from ..faults import UserError
from ..operations.standings import republish
from ..terminal import interruption
from ..terminal.output import as_json, print_json
from .options import FILE, PUBLIC_KEYS


@click.command()
@click.option("--yes", is_flag=True, help="Publish what is missing. Without this option nothing is changed.")
@click.option("--keys", **PUBLIC_KEYS)
@click.option(
    "--key",
    envvar="SERVICECERT_SERVICE_KEY_FILE",
    type=FILE,
    help="The revoker's own key, to sign with --yes, or SERVICECERT_SERVICE_KEY_FILE.",
)
@as_json
def command(yes: bool, keys: Path, key: Path | None, as_json: bool) -> None:
    """Compare the topic of the OCSP responders with the database, and publish what is missing.

    Responders answer from the topic certificate-standings alone. If it was lost, create
    it again, run this, and only then start the responders: earlier they would answer
    unknown for revoked certificates. May be run again, also while the revoker runs.
    DATABASE_URL names the revoker's own role.

    \b
    Examples:
      servicecert standings --keys service-keys
      servicecert standings --keys service-keys --key revoker.key --yes
    """
    if yes and key is None:
        raise UserError("Name the revoker's key by --key or SERVICECERT_SERVICE_KEY_FILE: responders believe no other.")
    signer = Signer(NAME, read_key(key)) if yes and key is not None else None
    result = interruption.run(republish(database_url(), cluster(), read_public_keys(keys), signer))
    if as_json:
        print_json({"known": result.known, "missing": result.missing, "published": result.missing if yes else 0})
    elif yes:
        click.echo(f"Published {result.missing} of {result.known} standings again; the topic had the others.")
    else:
        click.echo(f"{result.missing} of {result.known} standings are missing; add --yes to publish them.")

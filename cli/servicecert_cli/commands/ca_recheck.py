"""`servicecert ca recheck`: verify and lint all certificates again."""

from pathlib import Path

import click
from servicecert_issuer.effects.recheck import BadCertificate, next_part
from servicecert_pki.authority import Authority

from ..connections.addresses import database_url
from ..connections.schema import connected
from ..terminal import interruption
from ..terminal.output import as_json, print_rows
from .options import FOLDER


@click.command()
@click.argument("directory", metavar="DIR", envvar="SERVICECERT_CA_DIR", type=FOLDER)
@click.option(
    "--part", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Certificates at a time."
)
@as_json
def recheck(directory: Path, part: int, as_json: bool) -> None:
    """Verify and lint every issued certificate, as the issuer does each night.

    DATABASE_URL names the issuer's role or an operator. Continues a run that was
    stopped, also one of the issuer. The exit code is 1 if a certificate is bad.

    \b
    Examples:
      servicecert ca recheck ca
      servicecert ca recheck ca --json
    """
    good, bad, bad_certificates = interruption.run(_check_all(Authority.load(directory), part, quiet=as_json))
    found = [
        {"issuer": it.issuer, "serial": it.serial, "case_id": it.key, "codes": list(it.codes)}
        for it in bad_certificates
    ]
    rows = ((it.issuer, it.serial, " ".join(it.codes)) for it in bad_certificates)
    facts, sentence = {"good": good, "bad": bad, "found": found}, f"{good} certificates are good, {bad} bad."
    print_rows(as_json, facts, ("CA", "serial number", "findings"), rows, sentence)
    if bad:
        raise SystemExit(1)


async def _check_all(authority: Authority, part: int, *, quiet: bool) -> tuple[int, int, list[BadCertificate]]:
    """Return the counts of the whole run, and the bad certificates among those checked now."""
    bad_certificates: list[BadCertificate] = []
    async with connected(database_url(), "issuer") as connection:
        while True:
            progress = await next_part(connection, authority, part)
            bad_certificates += progress.found
            if progress.ended:
                return progress.good, progress.bad, bad_certificates
            if not quiet:
                click.echo(f"{progress.good + progress.bad} checked, {progress.bad} of them bad …", err=True)

"""`servicecert ca`: the certificate authority's keys and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from servicecert_cli.output import as_json, print_json, print_table

if TYPE_CHECKING:
    from servicecert_pki.issuer import IssuerInfo

directory = click.argument(
    "directory", metavar="DIR", envvar="SERVICECERT_CA_DIR", type=click.Path(path_type=Path, file_okay=False)
)


@click.group()
def command() -> None:
    """The certificate authority's keys and certificates.

    DIR may also be given as SERVICECERT_CA_DIR.
    """


@command.command()
@directory
@click.option(
    "--passphrase-file",
    envvar="SERVICECERT_CA_PASSPHRASE_FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Two lines, production=<passphrase> and test=<passphrase>; drawn and written where the file does not exist. Default: DIR.passphrases.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@as_json
def init(directory: Path, passphrase_file: Path | None, dry_run: bool, as_json: bool) -> None:
    """Make the roots and the issuing CAs, for production and test each in RSA 4096 and EC P-384.

    The keys are encrypted with the passphrases. Nothing is ever overwritten. The names
    are those of a demonstration; an authority makes its own CAs by its own ceremony.

    \b
    Examples:
      servicecert ca init ca --dry-run
      servicecert ca init ca --passphrase-file ca.passphrases
    """
    from servicecert_pki.authority import MANIFEST, AuthorityExists

    from servicecert_cli.authority import make_authority

    file = passphrase_file or directory.with_name(f"{directory.name}.passphrases")
    if (directory / MANIFEST).exists():
        raise AuthorityExists(f"There is a CA in {directory} already; name another directory for a new one.")
    if dry_run:
        where = f"with the passphrases in {file}" if file.exists() else f"with passphrases drawn and written to {file}"
        click.echo(f"Would make 4 roots and 4 issuing CAs in {directory}, {where}.")
        return
    authority = make_authority(directory, file)
    if as_json:
        print_json({"directory": str(directory), "passphrases": str(file), "issuing": _facts(authority.issuers)})
        return
    click.echo(f"{len(authority.issuers)} issuing CAs, each under a root of its own, are in {directory}.")
    click.echo(f"The passphrases of their keys are in {file}: keep it apart from the keys.")


@command.command()
@directory
@as_json
def show(directory: Path, as_json: bool) -> None:
    """Show the issuing CAs of a directory and the roots above them.

    \b
    Example:
      servicecert ca show ca
    """
    from servicecert_pki.authority import Authority

    authority = Authority.load(directory)
    if as_json:
        print_json({"directory": str(directory), "issuing": _facts(authority.issuers)})
        return
    rows = [
        (facts["id"], facts["name"], facts["not_after"][:10], facts["sha256"][:16] + "…")
        for facts in _facts(authority.issuers)
    ]
    print_table(("CA", "name", "until", "SHA-256"), rows)


def _facts(issuers: Mapping[str, IssuerInfo]) -> list[dict[str, Any]]:
    from hashlib import sha256

    from cryptography import x509
    from cryptography.x509.oid import NameOID

    facts = []
    for id, issuer in issuers.items():
        certificate = x509.load_der_x509_certificate(issuer.certificate_der)
        facts.append(
            {
                "id": id,
                "name": str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
                "subject": certificate.subject.rfc4514_string(),
                "root": certificate.issuer.rfc4514_string(),
                "serial": f"{certificate.serial_number:x}",
                "not_before": certificate.not_valid_before_utc.isoformat(),
                "not_after": certificate.not_valid_after_utc.isoformat(),
                "sha256": sha256(issuer.certificate_der).hexdigest(),
            }
        )
    return facts

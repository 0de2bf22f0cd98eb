"""`servicecert ca`: the certificate authority's keys and certificates."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.x509.oid import NameOID
from servicecert_pki.authority import Authority, AuthorityExists
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.encrypted_key import ROUNDS
from servicecert_pki.keyring import TokenAccess
from servicecert_pki.manifest import MANIFEST, TokenPlace
from servicecert_pki.protocol import place_text
from servicecert_pki.software_key import weak_files

from ..faults import UserError
from ..operations.authority import make_authority
from ..terminal.output import as_json, print_json, print_rows
from . import ceremony_options as options
from .ca_ceremony import activate, install, request, root
from .ca_issuing import reconcile, retry, status, void
from .ca_recheck import recheck
from .options import FILE


@click.group()
def command() -> None:
    """The certificate authority's keys and certificates.

    `init` makes everything on one machine, for tests. In production the roots stay
    offline, and the steps are `root init`, `request`, `root sign`, `install`, and
    `activate` for a later generation. DIR may also be given as SERVICECERT_CA_DIR.
    """


for step in (root, request, install, activate, status, reconcile, retry, void, recheck):
    command.add_command(step)


@command.command()
@options.directory
@options.passphrase_file
@options.key_place
@options.crl_base_url
@options.operator
@options.dry_run
@as_json
def init(
    directory: Path,
    passphrase_file: Path | None,
    place: options.KeyPlaces,
    crl_base_url: str | None,
    operator: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the roots and the issuing CAs, for production and test each in RSA 4096 and EC P-384.

    The roots are in DIR.offline: take that folder off the machine. Keys in files are
    encrypted with the passphrases; with --keys pkcs11 the issuing CAs' keys are made
    inside the tokens servicecert-production and servicecert-test, which must exist.
    Nothing is overwritten. The protocol is printed and stored in DIR/protocols.

    \b
    Examples:
      servicecert ca init ca --dry-run
      servicecert ca init ca --crl-base-url http://crl.example.fi
    """
    file = options.default_passphrase_file(directory, passphrase_file)
    if (directory / MANIFEST).exists():
        raise AuthorityExists(f"There is a CA in {directory} already; name another directory for a new one.")
    if dry_run:
        where = f"with the passphrases in {file}" if file.exists() else f"with new passphrases, written to {file}"
        click.echo(f"Would make 4 roots in {offline_folder(directory)}, {where}.")
        click.echo(f"Would make 4 issuing CAs in {directory}, their keys in {place}.")
        options.warn_without_address(crl_base_url)
        return
    store = place.store(directory, file) if place.kind == "pkcs11" else None
    make_authority(directory, file, store, operator, crl_base_url)
    options.warn_without_address(crl_base_url)
    authority = Authority.load(directory)
    (protocol,) = (directory / "protocols").iterdir()
    if as_json:
        print_json(
            {
                "directory": str(directory),
                "offline": str(offline_folder(directory)),
                "passphrases": str(file),
                "protocol": str(protocol),
                "issuing": _facts(authority),
            }
        )
        return
    click.echo(protocol.read_text())
    click.echo(f"{len(authority.issuers)} issuing CAs, each under a root of its own, are in {directory}.")
    click.echo(f"The roots' keys are in {offline_folder(directory)}: take it off this machine.")
    click.echo(f"The passphrases are in {file}: keep it apart from the keys.")


@command.command()
@options.directory
@as_json
def show(directory: Path, as_json: bool) -> None:
    """Show the issuing CAs of a directory: each generation, where its key is, and when it starts to issue.

    \b
    Example:
      servicecert ca show ca
    """
    authority = Authority.load(directory)
    facts = _facts(authority)
    rows = (
        (
            *(it["id"], it["name"], (it["active_from"] or "not yet")[:16], it["not_after"][:10]),
            *(it["key"], it["sha256"][:16] + "…"),
        )
        for it in facts
    )
    weak = (
        f"{file} is encrypted with {rounds} rounds, of {ROUNDS} today: encrypt it anew (docs/ceremony.md)."
        for file, rounds in weak_files(authority)
    )
    head = ("CA", "name", "issues from", "until", "key in", "SHA-256")
    print_rows(as_json, {"directory": str(directory), "issuing": facts}, head, rows, "\n".join(weak))


@command.command()
@options.directory
@click.option("--module", envvar="SERVICECERT_PKCS11_MODULE", type=FILE, required=True, help="The PKCS#11 library.")
@click.option(
    "--pin-file",
    envvar="SERVICECERT_PKCS11_PIN_FILE",
    type=FILE,
    required=True,
    help="Two lines, production=<PIN> and test=<PIN>.",
)
def login(directory: Path, module: Path, pin_file: Path) -> None:
    """Log in once at the token of each CA, after a wrong PIN was corrected.

    No service tries a PIN while the token remembers a wrong one, so that restarts do
    not lock it. A right one, as here, makes it forget.

    \b
    Example:
      servicecert ca login ca
    """
    authority, access = Authority.load(directory), TokenAccess(module, pin_file)
    places = {
        (place.token, authority.issuer(id).environment)
        for id, place in authority.places.items()
        if isinstance(place, TokenPlace)
    }
    for token, environment in sorted(places):
        access.token(token, environment, insists=True).login()
        click.echo(f"The token {token} accepts its PIN.")
    if not places:
        raise UserError(f"No CA in {directory} has its key in a token.")


def _facts(authority: Authority) -> list[Mapping[str, Any]]:
    def when(moment: datetime | None) -> str | None:
        return moment.isoformat() if moment else None

    facts: list[Mapping[str, Any]] = []
    for id, issuer in authority.issuers.items():
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
                "active_from": when(authority.active_from[id]),
                "key": place_text(authority.places[id]),
                "sha256": sha256(issuer.certificate_der).hexdigest(),
            }
        )
    return facts

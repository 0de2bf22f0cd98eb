"""`servicecert ca`: the certificate authority's keys and certificates."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.x509.oid import NameOID
from servicecert_pki.authority import Authority, AuthorityExists
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.ceremony_files import place_text, write_identity
from servicecert_pki.identity import trial
from servicecert_pki.keyring import TokenStore
from servicecert_pki.manifest import MANIFEST, TokenPlace
from servicecert_pki.software_key import ROUNDS, weak_files

from ..faults import UserError
from ..operations.authority import make_authority
from ..terminal.output import as_json, at_work, print_rows, say
from . import ceremony_options as options
from .ca_ceremony import activate, install, request, root
from .ca_issuing import recheck, reconcile, retry, status, void


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
@options.new_keys
@click.option(
    "--crl-base-url",
    callback=options.http,
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where CRLs are served.",
)
@click.option("--ocsp-url", callback=options.http, help="Where OCSP is served; certificates name none without it.")
@options.operator
@options.dry_run
@as_json
def init(
    folder: Path,
    passphrase_file: Path,
    tokens: TokenStore | None,
    crl_base_url: str,
    ocsp_url: str | None,
    operator: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the roots and the issuing CAs, for production and test each in RSA 4096 and EC P-384.

    The roots are in DIR.offline: take that folder off the machine. Keys in files are
    encrypted with the passphrases; with --keys pkcs11 the issuing CAs' keys are made
    inside the tokens servicecert-production and servicecert-test, which must exist.
    DIR/authority.toml is that of the fictitious authority, with your addresses.
    Nothing is overwritten. The protocol is printed and stored in DIR/protocols.

    Examples:
      servicecert ca init ca --dry-run
      servicecert ca init ca --crl-base-url http://crl.example.fi
    """
    offline = offline_folder(folder)
    if (folder / MANIFEST).exists():
        raise AuthorityExists(f"There is a CA in {folder} already; name another directory for a new one.")
    if dry_run:
        new = "the" if passphrase_file.exists() else "new"
        where = f"with {new} passphrases in {passphrase_file}"
        click.echo(f"Would make 4 roots in {offline}, {where}.")
        click.echo(f"Would make 4 issuing CAs in {folder}, their keys in {options.place_of(tokens)}.")
        return
    write_identity(folder, trial(crl_base_url, ocsp_url))
    with at_work("Making 8 keys, certificates and CRLs"):
        authority = make_authority(folder, passphrase_file, tokens, operator)
    (protocol,) = (folder / "protocols").iterdir()
    facts = {
        "directory": str(folder),
        "offline": str(offline),
        "passphrases": str(passphrase_file),
        "protocol": str(protocol),
        "issuing": _facts(authority),
    }
    sentences = (
        protocol.read_text(),
        f"{len(authority.issuers)} issuing CAs, each under a root of its own, are in {folder}.",
        f"The roots' keys are in {offline}: take it off this machine.",
        f"The passphrases are in {passphrase_file}: keep it apart from the keys.",
    )
    say(as_json, facts, "\n".join(sentences))


@command.command()
@options.directory
@as_json
def show(folder: Path, as_json: bool) -> None:
    """Show the issuing CAs of a directory: each generation, where its key is, and when it starts to issue.

    Example:
      servicecert ca show ca
    """
    authority = Authority.load(folder)
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
    print_rows(as_json, {"directory": str(folder), "issuing": facts}, head, rows, "\n".join(weak))


@command.command()
@options.directory
@options.module
@options.pin_file
def login(folder: Path, module: Path | None, pin_file: Path | None) -> None:
    """Log in once at the token of each CA, after a wrong PIN was corrected.

    No service tries a PIN while the token remembers a wrong one, so that restarts do
    not lock it. A right one, as here, makes it forget.

    Example:
      servicecert ca login ca
    """
    authority, access = Authority.load(folder), options.token_access(module, pin_file)
    places = {
        (place.token, authority.issuer(id).environment)
        for id, place in authority.places.items()
        if isinstance(place, TokenPlace)
    }
    for token, environment in sorted(places):
        access.token(token, environment, insists=True).login()
        click.echo(f"The token {token} accepts its PIN.")
    if not places:
        raise UserError(f"No CA in {folder} has its key in a token.")


def _facts(authority: Authority) -> list[Mapping[str, Any]]:
    facts: list[Mapping[str, Any]] = []
    for id, issuer in authority.issuers.items():
        certificate = x509.load_der_x509_certificate(issuer.certificate_der)
        active_from = authority.active_from[id]
        facts.append(
            {
                "id": id,
                "name": str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
                "subject": certificate.subject.rfc4514_string(),
                "root": certificate.issuer.rfc4514_string(),
                "serial": f"{certificate.serial_number:x}",
                "not_before": certificate.not_valid_before_utc.isoformat(),
                "not_after": certificate.not_valid_after_utc.isoformat(),
                "active_from": active_from.isoformat() if active_from else None,
                "key": place_text(authority.places[id]),
                "sha256": sha256(issuer.certificate_der).hexdigest(),
            }
        )
    return facts

"""The steps of a key ceremony: offline roots, requests, certificates, and a start date for each new generation."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click
from servicecert_pki import ceremony
from servicecert_pki.ceremony import check_passphrases, make_roots, next_ids, request_cas, sign_requests
from servicecert_pki.ceremony_files import Action
from servicecert_pki.identity import FILE, Identity, identity_in, required
from servicecert_pki.keyring import PemStore, TokenStore, read_passphrases
from servicecert_pki.manifest import MANIFEST, kind_of
from servicecert_pki.profiles import load_profiles
from servicecert_pki.root_crl import make_root_crls

from ..faults import UserError
from ..operations.authority import draw_passphrases, record
from ..terminal.output import at_work
from . import ceremony_options as options
from .options import MOMENT

_FILES = click.Path(path_type=Path, dir_okay=False, exists=True)
_REASONS = ("ca-compromise", "superseded", "cessation-of-operation")
_KINDS = ("production-rsa", "production-ec", "test-rsa", "test-ec")


@click.group()
def root() -> None:
    """The roots, on a machine without a network.

    OFFLINE is a folder that is never on the services' machines. Its keys are encrypted
    files, with other passphrases than the issuing CAs.
    """


@root.command("init")
@options.offline
@options.passphrase_file
@options.operator
@options.dry_run
def root_init(folder: Path, passphrase_file: Path, operator: str, dry_run: bool) -> None:
    """Make the four roots: production and test, RSA 4096 and EC P-384.

    OFFLINE/authority.toml says what they are called.

    Example:
      servicecert ca root init roots --operator "A. Operator" --dry-run
    """
    whose = _own_names(folder)
    if dry_run:
        _check(passphrase_file)
        click.echo(
            f"Would make 4 roots of {whose.organisation} in {folder}, encrypted with the passphrases of "
            f"{passphrase_file}."
        )
        return
    draw_passphrases(passphrase_file)
    with at_work("Making the roots' keys, certificates and CRLs"):
        actions = make_roots(folder, read_passphrases(passphrase_file), datetime.now(UTC))
    _report(folder, "root init", operator, actions)


@root.command("sign")
@options.offline
@click.argument("requests", metavar="REQUEST...", nargs=-1, required=True, type=_FILES)
@options.passphrase_file
@options.operator
@options.dry_run
def root_sign(folder: Path, requests: tuple[Path, ...], passphrase_file: Path, operator: str, dry_run: bool) -> None:
    """Certify issuing CAs: each REQUEST becomes OFFLINE/issued/<its name>.pem.

    They name their roots' CRLs and certificates at the address in OFFLINE/authority.toml.

    Compare the public key's SHA-256 in this protocol with that in the request's
    protocol, read aloud, before the certificate leaves the room.

    Example:
      servicecert ca root sign roots production-ec.csr --operator "A. Operator"
    """
    whose = identity_in(folder)
    required(whose.repository, "repository", folder / FILE)
    passphrases, now = read_passphrases(passphrase_file), datetime.now(UTC)
    actions = sign_requests(folder, requests, passphrases, load_profiles(whose=whose), now, dry_run=dry_run)
    if dry_run:
        click.echo(f"Would certify {_names(requests)} by the roots in {folder}.")
        return
    _report(folder, "root sign", operator, actions)


@root.command("crl")
@options.offline
@click.option(
    "--revoke",
    "revoked",
    metavar="CA REASON",
    type=(str, click.Choice(_REASONS)),
    multiple=True,
    help=f"Revoke an issuing CA for good. REASON is one of {', '.join(_REASONS)}.",
)
@click.option(
    "--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="Until the CRLs' next update."
)
@options.passphrase_file
@options.operator
@options.dry_run
def root_crl(
    folder: Path, revoked: tuple[tuple[str, str], ...], days: int, passphrase_file: Path, operator: str, dry_run: bool
) -> None:
    """Make the roots' next CRLs in OFFLINE/crls.

    Copy them to DIR/crls: the revoker publishes them within half a minute. Earlier
    revocations stay listed.

    Examples:
      servicecert ca root crl roots --operator "A. Operator"
      servicecert ca root crl roots --revoke production-ec ca-compromise --dry-run
    """
    passphrases = read_passphrases(passphrase_file)
    actions = make_root_crls(folder, passphrases, datetime.now(UTC), days, revoked, dry_run=dry_run)
    if dry_run:
        which = ", ".join(f"{id} ({reason})" for id, reason in revoked) or "no further CA"
        click.echo(f"Would make the next CRLs of the roots in {folder}, valid for {days} days, and revoke {which}.")
        return
    _report(folder, "root crl", operator, actions)


@click.command()
@options.directory
@click.argument("kinds", metavar="[KIND]...", nargs=-1, type=click.Choice(_KINDS))
@options.passphrase_file
@options.new_keys
@options.operator
@options.dry_run
def request(
    folder: Path, kinds: tuple[str, ...], passphrase_file: Path, tokens: TokenStore | None, operator: str, dry_run: bool
) -> None:
    """Make keys of issuing CAs, and requests for them in DIR/requests.

    KIND is production-rsa, production-ec, test-rsa or test-ec; the default is all four.
    If a kind already has a CA, its next generation is made: production-ec-2.
    DIR/authority.toml says what the CAs are called, as that of the roots does. With
    --dry-run the token is opened with its PINs.

    Examples:
      servicecert ca request ca
      servicecert ca request ca production-ec --keys pkcs11
    """
    ids = next_ids(folder, [kind_of(kind)[:2] for kind in kinds or _KINDS])
    if not (folder / MANIFEST).exists():
        _own_names(folder)
    if tokens is None:
        ceremony.check_same_passphrases(folder, passphrase_file)
    if dry_run:
        if tokens is None:
            _check(passphrase_file)
        else:
            tokens.rehearse()
        where = f"{options.place_of(tokens)}, and requests in {folder / 'requests'}"
        click.echo(f"Would make the keys of {', '.join(ids)} in {where}.")
        return
    if tokens is None:
        draw_passphrases(passphrase_file)
    store = tokens or PemStore(folder, read_passphrases(passphrase_file))
    with at_work(f"Making the keys of {', '.join(ids)}"):
        actions = request_cas(folder, ids, store)
    _report(folder, "request", operator, actions)


@click.command()
@options.directory
@click.argument("certificates", metavar="CERTIFICATE...", nargs=-1, required=True, type=_FILES)
@options.operator
@options.dry_run
def install(folder: Path, certificates: tuple[Path, ...], operator: str, dry_run: bool) -> None:
    """Install certificates that the roots signed, next to their keys.

    The first generation of a kind issues at once, a later one waits for `activate`.
    Restart the revokers first, then the issuers.

    Example:
      servicecert ca install ca production-ec-2.pem
    """
    actions = ceremony.install(folder, certificates, datetime.now(UTC), dry_run=dry_run)
    if dry_run:
        click.echo(f"Would install {_names(certificates)} in {folder}.")
        return
    _report(folder, "install", operator, actions)


@click.command()
@options.directory
@click.argument("id", metavar="CA")
@click.option("--from", "since", required=True, type=MOMENT, help="A day or a time (UTC, or with a zone).")
@options.operator
@options.dry_run
def activate(folder: Path, id: str, since: datetime, operator: str, dry_run: bool) -> None:
    """Let a later generation issue from MOMENT on; the previous one keeps its CRLs.

    Restart the issuers before that: they read it when they start.

    Example:
      servicecert ca activate ca production-ec-2 --from 2027-03-01
    """
    actions = ceremony.activate(folder, id, since, datetime.now(UTC), dry_run=dry_run)
    if dry_run:
        click.echo(f"Would let {id} issue from {since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} on.")
        return
    _report(folder, "activate", operator, actions)


def _own_names(folder: Path) -> Identity:
    """Return whose CAs are made. Raises UserError for invented names, and what is wrong with its file."""
    whose = identity_in(folder)
    if invented := ", ".join(whose.invented):
        raise UserError(
            f"A ceremony makes no CA with invented names ({invented}): write yours in {folder / FILE}, as "
            "docs/ceremony.md shows.",
            os.EX_CONFIG,
        )
    load_profiles(whose=whose)
    return whose


def _check(passphrase_file: Path) -> None:
    """Raise AuthorityRefused or KeyUnavailable for passphrases that cannot be used; new ones can."""
    if passphrase_file.exists():
        check_passphrases(read_passphrases(passphrase_file), trial=False)


def _names(files: tuple[Path, ...]) -> str:
    return ", ".join(file.stem for file in files)


def _report(folder: Path, step: str, operator: str, actions: list[Action]) -> None:
    text, file = record(folder, step, operator, actions)
    click.echo(text)
    click.echo(f"This protocol is stored in {file}.")

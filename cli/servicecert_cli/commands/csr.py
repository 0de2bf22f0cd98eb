"""`servicecert csr`: certificate requests, judged without applying."""

from pathlib import Path

import click
from servicecert_intake.domain.rules.csr import deficiency, unfit_key
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.csr_faults import CsrFault
from servicecert_pki.key_checks import NO_LISTS, KeyChecks, load_key_lists
from servicecert_pki.profile import Profile
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.values import CertificateType, Language

from ..operations.files import file_errors
from ..terminal.output import as_json, print_json
from .options import FILE, FOLDER, one_of

_MOST = 256 * 1024


@click.group()
def command() -> None:
    """Certificate requests, judged without applying."""


@command.command()
@click.argument("path", metavar="FILE", type=FILE)
@click.option(
    "--lists",
    "lists_dir",
    metavar="DIR",
    envvar="SERVICECERT_KEY_LISTS_DIR",
    type=FOLDER,
    help="Folder with lists of leaked and compromised keys (*.dat).",
)
@click.option(
    "--type", "type_id", type=one_of(CertificateType), default="server", show_default=True, help="Whose limits apply."
)
@click.option("--language", type=one_of(Language), default="en", show_default=True)
@as_json
def check(path: Path, lists_dir: Path | None, type_id: str, language: str, as_json: bool) -> None:
    """Judge a certificate request as in an application (rule A4).

    FILE is a request in PEM or DER, or - for standard input. Nothing is stored or sent.
    Exit code 0: acceptable, 1: refused, with all reasons, 66: the file cannot be read.
    Only an application shows whether the key is blocked or another organisation's.

    Examples:
      servicecert csr check server.csr
      servicecert csr check server.csr --type test-server --language fi --json
    """
    lists = NO_LISTS if lists_dir is None else load_key_lists(lists_dir)
    profile = load_profiles()[type_id]
    with file_errors("read", path, "name the file of a request"), click.open_file(str(path), "rb") as file:
        judged = judge_csr(file.read(_MOST), KeyChecks(lists))
    faults = _faults(judged, profile, Language(language))
    if as_json:
        key = {"key": judged.key, "key_sha256": judged.spki_sha256} if isinstance(judged, Csr) else {}
        found = [{"code": code, "text": text} for code, text in faults.items()]
        print_json({"acceptable": not faults, "lists": dict(lists.sizes()), **key, "faults": found})
    elif isinstance(judged, Csr) and not faults:
        click.echo(f"Acceptable: {judged.key}, SHA-256 of the key {judged.spki_sha256}")
    else:
        click.echo("Refused:")
        for code, text in faults.items():
            click.echo(f"  {code}: {text}")
    if not lists.lists:
        click.echo(
            "Debian's weak keys and leaked keys were not checked: no lists were given. Name their folder with --lists.",
            err=True,
        )
    if faults:
        raise SystemExit(1)


def _faults(judged: Csr | tuple[CsrFault, ...], profile: Profile, language: Language) -> dict[str, str]:
    codes = unfit_key(judged.spki_der, profile) if isinstance(judged, Csr) else [fault.code for fault in judged]
    return {code: deficiency(code, profile).texts.in_language(language) for code in codes}

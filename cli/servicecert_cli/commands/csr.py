"""`servicecert csr`: certificate requests, judged without applying."""

import os
from pathlib import Path

import click
from servicecert_intake.domain.rules.deficiencies import CSR_FAULTS
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.csr_faults import CsrFault
from servicecert_pki.key_checks import KeyChecks
from servicecert_pki.key_lists import NO_LISTS, KeyListDamaged, KeyLists, load_key_lists
from servicecert_schemas.values import Language

from ..faults import UserError
from ..terminal.output import as_json, print_json
from .options import one_of

UNREADABLE = 2
_MOST = 256 * 1024


@click.group()
def command() -> None:
    """Certificate requests, judged without applying."""


@command.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--lists",
    "lists_dir",
    metavar="DIR",
    envvar="SERVICECERT_KEY_LISTS_DIR",
    type=click.Path(path_type=Path),
    help="Folder with lists of leaked and compromised keys (*.dat).",
)
@click.option("--language", type=one_of(Language), default="en", show_default=True)
@as_json
def check(path: Path, lists_dir: Path | None, language: str, as_json: bool) -> None:
    """Judge a certificate request as in an application (rule A4).

    FILE is a request in PEM or DER, or - for standard input. Nothing is stored or sent.
    Exit code 0: acceptable, 1: refused, with all reasons, 2: the file cannot be read.
    Only an application shows whether the key is blocked or another organisation's.

    \b
    Examples:
      servicecert csr check server.csr
      servicecert csr check server.csr --language fi --json
    """
    lists = _lists(lists_dir)
    judged = judge_csr(_read(path), KeyChecks(lists))
    if as_json:
        print_json(_facts(judged, lists, language))
    elif isinstance(judged, Csr):
        click.echo(f"Acceptable: {judged.key}, SHA-256 of the key {judged.spki_sha256}")
    else:
        click.echo("Refused:")
        for fault in judged:
            click.echo(f"  {fault.code}: {_text(fault, language)}")
    if not lists.lists:
        click.echo(
            "Debian's weak keys and leaked keys were not checked: no lists were given. Name their folder with --lists.",
            err=True,
        )
    if not isinstance(judged, Csr):
        raise SystemExit(1)


def _read(path: Path) -> bytes:
    """Return the file's first 256 KiB. Raises UserError."""
    try:
        with click.open_file(str(path), "rb") as file:
            content: bytes = file.read(_MOST)
    except OSError as fault:
        raise UserError(f"{path} cannot be read: {fault.strerror}.", UNREADABLE) from None
    return content


def _lists(folder: Path | None) -> KeyLists:
    if folder is None:
        return NO_LISTS
    try:
        return load_key_lists(folder)
    except KeyListDamaged as damaged:
        raise UserError(str(damaged), os.EX_CONFIG) from None


def _facts(judged: Csr | tuple[CsrFault, ...], lists: KeyLists, language: str) -> dict[str, object]:
    about = {"acceptable": isinstance(judged, Csr), "lists": dict(lists.sizes())}
    if isinstance(judged, Csr):
        return {**about, "key": judged.key, "key_sha256": judged.spki_sha256, "faults": []}
    return {**about, "faults": [{"code": fault.code, "text": _text(fault, language)} for fault in judged]}


def _text(fault: CsrFault, language: str) -> str:
    """Return the text that an applicant gets."""
    return CSR_FAULTS[fault.code].texts.in_language(Language(language))

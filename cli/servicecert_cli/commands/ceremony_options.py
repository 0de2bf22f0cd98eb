"""Options of the key ceremony: folders, files of passphrases and PINs, the operator. Secrets are never arguments."""

import functools
import os
from pathlib import Path
from typing import Any

import click
from servicecert_pki.keyring import TokenAccess, TokenStore
from servicecert_pki.manifest import TokenPlace, read_manifest
from servicecert_pki.partitions import http_url

from ..faults import UserError
from .options import FILE, FOLDER, F

directory = click.argument("folder", metavar="DIR", envvar="SERVICECERT_CA_DIR", type=FOLDER)

offline = click.argument("folder", metavar="OFFLINE", type=FOLDER)


def _beside_folder(context: click.Context, _parameter: click.Parameter, file: Path | None) -> Path:
    if file is not None:
        return file
    folder: Path = context.params["folder"]
    return folder.with_name(f"{folder.name}.passphrases")


passphrase_file = click.option(
    "--passphrase-file",
    envvar="SERVICECERT_CA_PASSPHRASE_FILE",
    type=FILE,
    callback=_beside_folder,
    help="Two lines, production=<passphrase> and test=<passphrase>; new ones are written if the file does not exist. "
    "Default: the folder's name and .passphrases.",
)

operator = click.option(
    "--operator",
    envvar="SERVICECERT_OPERATOR",
    default="not stated",
    show_default=True,
    help="Who runs this step; written into the protocol.",
)


def http(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    try:
        return None if url is None else http_url(url)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")


module = click.option("--module", envvar="SERVICECERT_PKCS11_MODULE", type=FILE, help="The token's PKCS#11 library.")

pin_file = click.option(
    "--pin-file", envvar="SERVICECERT_PKCS11_PIN_FILE", type=FILE, help="Two lines, production=<PIN> and test=<PIN>."
)


def token_access(module: Path | None, pin_file: Path | None) -> TokenAccess:
    """Return how tokens are opened. Raises UserError if one of the two is not given."""
    if not (module and pin_file):
        raise UserError(
            "Keys in a token need a PKCS#11 library and PINs: set SERVICECERT_PKCS11_MODULE and"
            " SERVICECERT_PKCS11_PIN_FILE.",
            os.EX_CONFIG,
        )
    return TokenAccess(module, pin_file)


def new_keys(function: F) -> F:
    """Add the options for where new keys of issuing CAs go, as one argument `tokens`: None is encrypted files."""

    @click.option(
        "--keys",
        type=click.Choice(["pem", "pkcs11"]),
        help="Where the issuing CAs' keys go; by default where the earlier ones are, the first into a token if its "
        "library is named.",
    )
    @module
    @pin_file
    @functools.wraps(function)
    def with_tokens(*args: Any, keys: str | None, module: Path | None, pin_file: Path | None, **more: Any) -> Any:
        is_token = _in_token(more["folder"], module) if keys is None else keys == "pkcs11"
        return function(*args, tokens=TokenStore(token_access(module, pin_file)) if is_token else None, **more)

    return with_tokens  # type: ignore[return-value]  # click calls it by keywords


def _in_token(folder: Path, module: Path | None) -> bool:
    try:
        return any(isinstance(entry.key, TokenPlace) for entry in read_manifest(folder).issuing)
    except (OSError, ValueError):
        return module is not None


def place_of(tokens: TokenStore | None) -> str:
    return "encrypted files" if tokens is None else "the tokens servicecert-production and servicecert-test"

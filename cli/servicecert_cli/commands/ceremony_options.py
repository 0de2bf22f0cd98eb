"""Options of the key ceremony: folders, files of passphrases and PINs, the operator. Secrets are never arguments."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from servicecert_pki.key_store import KeyStore, PemStore, TokenStore
from servicecert_pki.keyring import TokenAccess, read_passphrases
from servicecert_pki.signing_settings import http_url

from ..faults import UserError
from .options import FILE, FOLDER

F = TypeVar("F", bound=Callable[..., Any])


directory = click.argument("directory", metavar="DIR", envvar="SERVICECERT_CA_DIR", type=FOLDER)

offline = click.argument("offline", metavar="OFFLINE", type=FOLDER)

passphrase_file = click.option(
    "--passphrase-file",
    envvar="SERVICECERT_CA_PASSPHRASE_FILE",
    type=FILE,
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


def _http(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    try:
        return None if url is None else http_url(url)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


crl_base_url = click.option(
    "--crl-base-url",
    metavar="URL",
    envvar="SERVICECERT_CRL_BASE_URL",
    callback=_http,
    help="Where CRLs are served: the issuing CAs' certificates name their roots' CRLs and certificates there.",
)


def warn_without_address(crl_base_url: str | None) -> None:
    """Say what issuing CAs lack whose certificates name no address."""
    if crl_base_url is None:
        click.echo(
            "The certificates of these CAs do not say where their roots' CRLs are, so that revoking such a CA reaches "
            "nobody: make them with --crl-base-url or SERVICECERT_CRL_BASE_URL.",
            err=True,
        )


dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")


@dataclass(frozen=True)
class KeyPlaces:
    """Where new keys of issuing CAs go."""

    kind: str
    module: Path | None
    pin_file: Path | None
    prefix: str

    def __str__(self) -> str:
        return "encrypted files" if self.kind == "pem" else f"tokens whose labels begin with {self.prefix}-"

    def store(self, directory: Path, passphrase_file: Path) -> KeyStore | None:
        """Return the store for `directory`, None for files whose passphrases do not exist yet.

        Raises UserError and KeyUnavailable.
        """
        if self.kind == "pkcs11":
            if not (self.module and self.pin_file):
                raise UserError(
                    "Keys in a token need a PKCS#11 library and PINs: set SERVICECERT_PKCS11_MODULE and"
                    " SERVICECERT_PKCS11_PIN_FILE.",
                    os.EX_CONFIG,
                )
            return TokenStore(TokenAccess(self.module, self.pin_file), self.prefix)
        return PemStore(directory, read_passphrases(passphrase_file)) if passphrase_file.exists() else None


def key_place(function: F) -> F:
    """Add the options for where new keys go, as one argument `place`."""

    @click.option(
        "--keys",
        type=click.Choice(["pem", "pkcs11"]),
        default="pem",
        show_default=True,
        help="Where the issuing CAs' keys go.",
    )
    @click.option("--module", envvar="SERVICECERT_PKCS11_MODULE", type=FILE, help="The token's PKCS#11 library.")
    @click.option(
        "--pin-file",
        envvar="SERVICECERT_PKCS11_PIN_FILE",
        type=FILE,
        help="Two lines, production=<PIN> and test=<PIN>.",
    )
    @click.option(
        "--token-prefix",
        default="servicecert",
        show_default=True,
        help="Before -production and -test in the tokens' labels.",
    )
    @functools.wraps(function)
    def with_place(
        *args: Any, keys: str, module: Path | None, pin_file: Path | None, token_prefix: str, **more: Any
    ) -> Any:
        return function(*args, place=KeyPlaces(keys, module, pin_file, token_prefix), **more)

    return with_place  # type: ignore[return-value]  # click calls it by keywords


def default_passphrase_file(folder: Path, file: Path | None) -> Path:
    """Return `file`, or the passphrase file beside the folder."""
    return file or folder.with_name(f"{folder.name}.passphrases")

"""`servicecert compose`: the passwords and passphrases of docker-compose.yml."""

import os
from pathlib import Path

import click

from ..operations import compose_secrets
from ..operations.files import write_private
from .options import FILE, folder


@click.group()
def command() -> None:
    """Passwords and passphrases for docker-compose.yml."""


@command.command()
@click.option("--out", type=FILE, default=Path(".env"), show_default=True, help="The file, beside docker-compose.yml.")
def env(out: Path) -> None:
    """Write a .env with passwords and passphrases that were drawn for it.

    Without one Compose draws them too, and keeps them in volumes. A file that exists is
    not overwritten: what it holds opens the volumes that were made with it.

    Example:
      servicecert compose env && docker compose up
    """
    write_private(out, compose_secrets.environment_file().encode())
    click.echo(f"{out} is written. Keep a copy in a safe place: it opens the keys of the CA.")


@command.command()
@folder("/run/servicecert-secrets", "Gets a folder for each who reads some of them.")
def secrets(folder: Path) -> None:
    """Write each service's secrets into its own folder: the first step of Compose.

    Without values in the environment all are drawn, once. Values that are given must be
    complete, have at least 16 characters, and be those of earlier starts: database and
    keys were made with them.

    Example:
      servicecert compose secrets --folder secrets
    """
    kept = compose_secrets.write(folder, os.environ)
    click.echo(f"{kept.drawn} secrets were drawn, {kept.given} taken from the environment, {kept.there} were there.")

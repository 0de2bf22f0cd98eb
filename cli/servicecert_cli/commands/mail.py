"""`servicecert mail`: what is written to customers, and what became of it."""

from __future__ import annotations

from pathlib import Path

import click

from .mail_ledger import list_mails, resend, show


@click.group()
def command() -> None:
    """The mails to customers: how they look, what became of each, sending one again."""


for each in (list_mails, show, resend):
    command.add_command(each)


@command.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/mails"),
    show_default=True,
    help="Where the pages are written; made where it is missing.",
)
def preview(folder: Path) -> None:
    """Write a page of all kinds of mails in all languages, with sample data.

    Open index.html in a browser. Beside it lie, for each mail, its page, its text, and
    the whole mail (.eml) for a mail program. Nothing is sent.

    \b
    Examples:
      servicecert mail preview
      servicecert mail preview --folder /tmp/mails
    """
    from ..operations.files import can_be
    from ..operations.mail_preview import write_preview

    with can_be("written", folder, "choose another --folder"):
        written = write_preview(folder)
    click.echo(f"{written.mails} mails are shown in {written.page}")

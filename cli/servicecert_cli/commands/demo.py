"""`servicecert demo`: the whole service in half a minute."""

import os
from pathlib import Path

import click

from ..connections.addresses import MAIL_FOLDER
from ..demo.narrator import narrating
from ..demo.story import run_story
from ..faults import UserError
from ..stand.folders import empty_folder
from ..terminal import interruption
from ..terminal.printing import console
from .options import folder


@click.command()
@folder("var/demo", "Emptied first; gets the story, certificates, CRLs, mails and every event.")
@click.option("--full", is_flag=True, help="Print everything: whole mails, all languages, OpenSSL's whole output.")
def command(folder: Path, full: bool) -> None:
    """Four applications all the way to certificates, told as it happens.

    Starts Kafka, PostgreSQL, a mail catcher and the four services, acts as the
    e-service, revokes one of the certificates, has OpenSSL check them all, lets half a
    year pass by for one more application, and stops everything. The folder's story.html
    is the same story for a browser, story.txt what --full prints.
    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL are used where they are set.

    Examples:
      servicecert demo
      NO_COLOR=1 servicecert demo --full | less
    """
    if os.environ.get(MAIL_FOLDER):
        raise UserError("This terminal is the e-service of a `servicecert up`: use another one.", os.EX_CONFIG)
    with narrating(empty_folder(folder), console(), full=full) as narrator:
        interruption.run(run_story(folder, narrator))

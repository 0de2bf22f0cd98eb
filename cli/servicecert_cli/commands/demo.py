"""`servicecert demo`: the whole service in half a minute."""

from pathlib import Path

import click

from ..demo.narrator import Narrator
from ..demo.story import tell
from ..stand.folders import emptied
from ..terminal import interruption
from ..terminal.output import console
from .options import FOLDER


@click.command()
@click.option(
    "--folder",
    type=FOLDER,
    default=Path("var/demo"),
    show_default=True,
    help="Emptied first; gets certificates, CRLs, mails and every event.",
)
def command(folder: Path) -> None:
    """Four applications all the way to certificates, told as it happens.

    Starts Kafka, PostgreSQL, a mail catcher and the four services, acts as the
    e-service, revokes one of the certificates, has OpenSSL judge them all, lets half a
    year pass by for one more application, and stops everything.
    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL are used where they are set.

    \b
    Examples:
      servicecert demo
      NO_COLOR=1 servicecert demo | less
    """
    teller = Narrator(console())
    teller.title("Service certificates: four certificates, one revocation, one lapse")
    teller.say("The organisations are invented. Times of day are those of Helsinki.")
    interruption.run(tell(emptied(folder), teller))

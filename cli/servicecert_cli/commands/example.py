"""`servicecert example`: one example certificate, from the key to the mail."""

from pathlib import Path

import click
from servicecert_schemas.values import CertificateType

from ..connections.addresses import cluster
from ..demo.example import run_example
from ..terminal import interruption
from ..terminal.printing import Printer, console
from .options import folder, one_of


@click.command()
@click.option(
    "--type", "type_", type=one_of(CertificateType), default="server", show_default=True, help="Of this type."
)
@folder("var/example", "Gets a folder for each run, with key, request and certificate.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="End after this many seconds, with exit code 1.",
)
def command(type_: str, folder: Path, timeout: float) -> None:
    """Get an example certificate, from the key to the mail.

    OpenSSL makes a key and its request, an invented organisation applies, and the case
    is followed until the certificate is delivered. KAFKA_BOOTSTRAP_SERVERS names the
    broker; `servicecert up` says how to set it.

    Examples:
      . var/up/environment && servicecert example
      servicecert example --type test-server --folder /tmp/example
    """
    interruption.run(run_example(cluster(), CertificateType(type_), folder, timeout, Printer(console())))

"""`servicecert canary`: a synthetic application through all stages, again and again or once."""

import sys

import click
from servicecert_worker.process import application

from ..terminal import interruption
from ..terminal.output import print_text
from ..watching.canary.app import app, once


@click.command()
@click.option("--once", "is_once", is_flag=True, help="Make one run, print each stage, and end.")
def command(is_once: bool) -> None:
    """Send a test application all the way, again and again, until stopped.

    It applies for a certificate of the test CA, checks it, its CRL, OCSP and mails, and
    has it revoked. Its metrics say when it last passed all stages. With --once the exit
    code is 0 if it passed all stages, 1 if it stopped at one. SIGTERM stops it cleanly.

    It needs KAFKA_BOOTSTRAP_SERVERS, SERVICECERT_SERVICE_KEYS, SERVICECERT_CANARY_MAIL and
    SERVICECERT_CANARY_CA_CERTIFICATES, and no database.

    Examples:
      SERVICECERT_CANARY_MAIL=canary@authority.example servicecert canary
      servicecert canary --once
    """
    if not is_once:
        sys.exit(application.run(app()))
    last = interruption.run(once(lambda step: print_text(step.line())))
    if not last.passed:
        sys.exit(1)
    print_text("The canary passed.")

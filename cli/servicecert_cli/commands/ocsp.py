"""`servicecert ocsp`: one OCSP responder, in this process."""

import sys

import click
from servicecert_revoker.ocsp.app import app
from servicecert_worker.process import application


@click.command()
def command() -> None:
    """Run one OCSP responder until it is told to stop.

    It needs neither database nor CA keys: KAFKA_BOOTSTRAP_SERVERS, and a revoker that
    certifies its key. Start as many as there are cores to use, with one
    SERVICECERT_OCSP_PORT on a machine: they share the work. SIGTERM ends one in order.

    \b
    Example:
      SERVICECERT_OCSP_PORT=8081 servicecert ocsp
    """
    sys.exit(application.run(app()))

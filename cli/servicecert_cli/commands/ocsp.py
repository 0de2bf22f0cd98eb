"""`servicecert ocsp`: one OCSP responder, in this process."""

import sys

import click
from servicecert_revoker.ocsp.app import app
from servicecert_worker.process import application


@click.command()
def command() -> None:
    """Run one OCSP responder until stopped.

    It needs KAFKA_BOOTSTRAP_SERVERS, the CAs' CRLs at SERVICECERT_OCSP_CRL_URL, and a
    running revoker, which certifies its key; no database and no CA keys. Start one for
    each core, with the same SERVICECERT_OCSP_PORT on a machine: they share the work.
    SIGTERM stops one cleanly.

    Example:
      SERVICECERT_OCSP_PORT=8081 servicecert ocsp
    """
    sys.exit(application.run(app()))

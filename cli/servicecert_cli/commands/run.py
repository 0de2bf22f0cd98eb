"""`servicecert run`: one worker of a service, in this process."""

import importlib
import sys

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.process import application


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
def command(service: str) -> None:
    """Run one worker of a service until stopped.

    Start one for each core: they share the work. SIGTERM stops one cleanly. Set
    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL; some services need more settings, and name
    those that are missing.

    Example:
      servicecert run intake
    """
    sys.exit(application.run(importlib.import_module(f"servicecert_{service}.app").app()))

"""`servicecert run`: one worker of one service, in this process."""

import importlib
import sys

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.process import application


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
def command(service: str) -> None:
    """Run one worker of a service until it is told to stop.

    Start as many as there are cores to use: they share the work. SIGTERM ends one
    in order. What it needs is in the environment: KAFKA_BOOTSTRAP_SERVERS and
    DATABASE_URL, and for some services more, which it names when it misses them.

    \b
    Example:
      servicecert run intake
    """
    sys.exit(application.run(importlib.import_module(f"servicecert_{service}.app").app()))

"""`servicecert restore`: a database that was restored to an earlier moment is brought forward from the topics."""

import importlib
import os

import click
from pydantic import ValidationError
from servicecert_schemas.topics import SERVICES
from servicecert_worker.process.application import settings_fault
from servicecert_worker.process.settings import WorkerSettings
from servicecert_worker.replay.replay import ReplayClock

from ..faults import UserError
from ..operations import replaying
from ..operations.replaying import ServiceModule
from ..terminal import interruption


@click.group()
def command() -> None:
    """Bring a database forward that was restored to an earlier moment than the topics."""


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
def check(service: str) -> None:
    """Say what the topics have and a service's tables do not know. Changes nothing.

    \b
    Example:
      servicecert restore check issuer
    """
    module = _module(service)

    async def checked() -> None:
        async with replaying.opened(module, _settings()) as tables, tables.service(ReplayClock()) as opened:
            forgotten = await tables.forgotten(opened)
            click.echo(f"{service}: {forgotten.records} records to decide again, {len(forgotten.published)} events.")

    interruption.run(checked())


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
def apply(service: str) -> None:
    """Decide again what a service's tables do not know, without a signature, a mail or a CRL.

    \b
    Example:
      servicecert restore apply issuer
    """
    module = _module(service)

    async def applied() -> None:
        clock = ReplayClock()
        async with replaying.opened(module, _settings()) as tables, tables.service(clock) as opened:
            forgotten = await tables.forgotten(opened)
            done = await tables.replay(opened, clock, forgotten)
            click.echo(repr(done))

    interruption.run(applied())


def _module(service: str) -> ServiceModule:
    module: ServiceModule = importlib.import_module(f"servicecert_{service}.service")
    return module


def _settings() -> WorkerSettings:
    try:
        return WorkerSettings()
    except ValidationError as error:
        raise UserError(f"{settings_fault(error)}.", os.EX_CONFIG) from None

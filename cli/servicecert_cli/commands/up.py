"""`servicecert up`: everything running on this machine, with a live board."""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..demo.example import MAIL_FOLDER
from ..operations.files import write_private
from ..stand.board import Rates, board, rows
from ..stand.folders import empty_folder
from ..stand.progress import Steps
from ..stand.supervision import Supervisor
from ..stand.system import System
from ..terminal import interruption
from ..terminal.output import console
from ..terminal.printing import Printer
from .options import FOLDER

LOOK_SECONDS = 1.0
LINE_SECONDS = 10.0


@click.command()
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True, help="Processes of each service.")
@click.option(
    "--folder",
    type=FOLDER,
    default=Path("var/up"),
    show_default=True,
    help="For mails, CRLs, logs and the environment file. Emptied first, unless DATABASE_URL is set.",
)
def command(workers: int, folder: Path) -> None:
    """Everything running on this machine until Ctrl-C, with a live board.

    Kafka, PostgreSQL, a certificate authority, fictitious registers, a mail catcher, a
    server for CRLs and the four services. A service that dies is started again. With
    KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL set, those are used. The file `environment`
    in the folder tells other terminals where everything is.

    \b
    Examples:
      servicecert up --workers 2
      . var/up/environment && servicecert example  (in another terminal)
      servicecert lag
    """
    if not os.environ.get("DATABASE_URL"):
        empty_folder(folder)
    interruption.run(_run(folder, workers, console()), is_end=True)


async def _run(folder: Path, workers: int, console: Console) -> None:
    printer = Printer(console)
    printer.title("Service certificates on this machine")
    own_database = not os.environ.get("DATABASE_URL")
    stopping = printer.waiting("stopping everything")
    async with AsyncExitStack() as stack:
        stack.callback(printer.line, "   ", Text("Everything is stopped."))
        stack.callback(stopping.stop)
        with Steps(console) as steps:
            authority = None if own_database else folder / "ca"
            system = await stack.enter_async_context(
                System(folder, workers=workers, apart=False, authority=authority, report=steps)
            )
        stack.callback(stopping.start)
        environment = write_environment(system)
        stack.callback(environment.unlink, missing_ok=True)
        _announce(printer, system, environment)
        await _watch(system, console)


def _announce(printer: Printer, system: System, environment: Path) -> None:
    """Print where everything is, and how to get a certificate."""
    printer.blank()
    for name, value in (
        ("Kafka", system.cluster.bootstrap),
        ("CRLs", f"{system.crl_url}/<CA>.crl"),
        ("mails", f"{system.mail_folder}/*.eml"),
        ("logs", f"{system.folder}/logs/"),
        ("passwords", f"{environment}: the DATABASE_URL of each service"),
    ):
        printer.fact(name, value)
    printer.say("To get a certificate, paste this in another terminal:")
    # Not wrapped: it is to be copied whole.
    printer.line("   ", Text(f". {quote(str(environment.absolute()))} && servicecert example", "cyan"))
    printer.blank()


def write_environment(system: System) -> Path:
    """Write the file that a shell reads to use this system: addresses, the services' DATABASE_URLs, and PATH."""
    variables = {
        **system.cluster.environment,
        "DATABASE_URL": system.backends.admin_url,
        "SERVICECERT_AUDIT_KEYS": str(system.audit_folder),
        MAIL_FOLDER: str(system.mail_folder.absolute()),
        **{f"{service.upper()}_DATABASE_URL": url for service, url in system.urls.items()},
    }
    path = system.folder / "environment"
    lines = [f"export {name}={quote(value)}\n" for name, value in variables.items()]
    # `servicecert` is found without the virtual environment's activation.
    lines.append(f'export PATH={quote(str(Path(sys.executable).parent))}:"$PATH"\n')
    write_private(path, "".join(lines).encode(), replace=True)
    return path


async def _watch(system: System, console: Console) -> None:
    """Show the board, or where there is no terminal print a line now and then; restart what has died. For ever."""
    supervisor, rates = Supervisor(system, time.monotonic), Rates()
    printed, last = [""], -LINE_SECONDS
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            for line in await asyncio.to_thread(supervisor.restart_dead):
                console.print(f"   {line}", style="yellow", markup=False, soft_wrap=True)
            found = [(row, rates.of(row, time.monotonic())) for row in await rows(system, supervisor.restarts)]
            if console.is_terminal:
                live.update(board(found), refresh=True)
            elif (
                lines := [row.line(rate) for row, rate in found]
            ) != printed and time.monotonic() - last >= LINE_SECONDS:
                printed, last = lines, time.monotonic()
                console.print("\n".join(lines), soft_wrap=True)
            await asyncio.sleep(LOOK_SECONDS)

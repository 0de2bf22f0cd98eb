"""`servicecert up`: everything running on this machine, with a live board."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text
from servicecert_pki.identity import identity_in
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.access import KafkaAccess

from ..connections.addresses import MAIL_FOLDER
from ..operations.broker_identities import ADMINISTRATOR
from ..operations.files import write_private
from ..stand.board import WIDTH as BOARD_WIDTH
from ..stand.board import Rates, board, idle_processes, look, rows
from ..stand.folders import empty_folder
from ..stand.progress import Steps
from ..stand.supervision import Supervisor
from ..stand.system import COUNTED, OCSP, System
from ..terminal import interruption
from ..terminal.printing import Printer, console
from .options import folder

LOOK_SECONDS = 1.0
LINE_SECONDS = 10.0
SERVICE_KEY = "SERVICECERT_SERVICE_KEY_FILE"
MOST = 16
"""Processes of a service."""


def parse_counts(text: str) -> Mapping[str, int]:
    """Return the processes by service, from `2` (of each of the four services) or `issuer=4,notifier=2`.

    What is not named gets one. Raises BadParameter: one sentence.
    """
    if "=" not in text:
        return {**dict.fromkeys(SERVICES, _number(text)), OCSP: 1}
    counts: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        if name not in COUNTED:
            raise click.BadParameter(f"{name!r} is no service: use {', '.join(COUNTED)}, as in issuer=4,notifier=2.")
        if name in counts:
            raise click.BadParameter(f"{name} is named twice: give it one number.")
        counts[name] = _number(number)
    return {**dict.fromkeys(COUNTED, 1), **counts}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST):
        raise click.BadParameter(f"{text!r} is no number of processes: use 1 to {MOST}, or service=number pairs.")
    return int(text)


@click.command()
@click.option(
    "--workers",
    callback=lambda _context, _parameter, text: parse_counts(text),
    metavar="N|SERVICE=N,…",
    default="1",
    show_default=True,
    help="Processes of each service, or of those named (also ocsp).",
)
@folder("var/up", "For mails, CRLs, logs and the environment file. Emptied first, unless DATABASE_URL is set.")
@click.option("--plain", is_flag=True, help="Without TLS, users and rights; also at servers of your own.")
def command(workers: Mapping[str, int], folder: Path, plain: bool) -> None:
    """Everything running on this machine until Ctrl-C, with a live board.

    Kafka, PostgreSQL, a certificate authority, fictitious registers, a mail catcher, a
    server for CRLs and the four services. A service that dies is started again. Broker
    and database are reached by TLS, and each process and command is a user with rights
    of its own: the file `environment` in the folder makes another terminal the
    e-service's and knows nothing of the database, the files in the folder `as` make it
    another user's, such as `as/operator`.

    With --plain, KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL are used where they are set.

    Examples:
      servicecert up --workers 2
      servicecert up --workers issuer=4,notifier=2
      . var/up/environment && servicecert example  (in another terminal)
      . var/up/as/operator && servicecert lag
    """
    if not os.environ.get("DATABASE_URL"):
        empty_folder(folder)
    interruption.run(_run(folder, workers, console(), plain=plain), is_end=True)


async def _run(folder: Path, workers: Mapping[str, int], console: Console, *, plain: bool) -> None:
    printer = Printer(console)
    printer.title("Service certificates on this machine")
    stopping = printer.waiting("Stopping everything")
    async with AsyncExitStack() as stack:
        stack.callback(printer.line, "   ", Text("Everything is stopped."))
        stack.callback(stopping.stop)
        with Steps(console) as steps:
            ca = folder / "ca" if os.environ.get("DATABASE_URL") else None
            # The certificates of an earlier run name its address.
            before = None if ca is None else identity_in(ca).repository
            system = System(
                folder,
                workers=workers,
                apart=False,
                authority=ca,
                secure=not plain,
                monitored=True,
                crl_port=0 if before is None else urlsplit(before.crls).port or 0,
                report=steps,
            )
            await stack.enter_async_context(system)
        stack.callback(stopping.start)
        environment = write_environment(system)
        stack.callback(environment.unlink, missing_ok=True)
        stack.callback(shutil.rmtree, users := write_users(system), ignore_errors=True)
        _announce(printer, system, environment, users)
        await _watch(system, console)


def _announce(printer: Printer, system: System, environment: Path, users: Path) -> None:
    """Print where everything is, and how to get a certificate."""
    printer.blank()
    for name, value in (
        ("Kafka", system.cluster_of(Principal.E_SERVICE).bootstrap),
        ("CRLs", f"{system.crl_url}/<CA>.crl"),
        ("OCSP", system.ocsp_url),
        ("mails", f"{system.mail_folder}/*.eml: a mail program opens them"),
        ("logs", f"{system.folder}/logs/"),
        ("logins", f"{users}/: a file for each user, such as {Principal.OPERATOR}"),
        ("passwords", f"each file but {Principal.E_SERVICE} also has the services' DATABASE_URLs, with passwords"),
    ):
        printer.fact(name, value)
    printer.say("To get a certificate, paste this in another terminal:")
    # Not wrapped: it is to be copied whole.
    printer.line("   ", Text(f". {quote(str(environment.absolute()))} && servicecert example", "cyan"))
    printer.say("With a request of your own: servicecert submit --help, there.")
    printer.say("To see what the services have not handled yet:")
    printer.line("   ", Text(f". {quote(str(users.absolute() / Principal.OPERATOR))} && servicecert lag", "cyan"))
    printer.blank()


def write_environment(system: System) -> Path:
    """Write the file that makes a shell the e-service's: its login to the broker, its public keys, and PATH."""
    variables = {
        **system.cluster_of(Principal.E_SERVICE).environment,
        "SERVICECERT_SERVICE_KEYS": str(system.keys_folder.absolute()),
        MAIL_FOLDER: str(system.mail_folder.absolute()),
    }
    path = system.folder / "environment"
    # `servicecert` is found without the virtual environment's activation.
    found = f'export PATH={quote(str(Path(sys.executable).parent))}:"$PATH"\n'
    write_private(path, (_located(path, ".") + _exports(variables, system.folder) + found).encode(), replace=True)
    return path


def write_users(system: System) -> Path:
    """Write a file for each user of the broker that reads the e-service's and logs in as that user.

    All but the e-service's name the database, as its administrator and as each service. A service's name its key.
    """
    folder = system.folder / "as"
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = " ".join([*(str(field.alias) for field in KafkaAccess.model_fields.values()), SERVICE_KEY])
    clusters = {str(each): system.cluster_of(each) for each in Principal} | {ADMINISTRATOR: system.cluster}
    inside = {
        "DATABASE_URL": system.backends.admin_url,
        **system.canary_environment,
        **{f"{service.upper()}_DATABASE_URL": url for service, url in system.urls.items()},
    }
    for name, cluster in clusters.items():
        variables = {**cluster.environment, **({} if name == Principal.E_SERVICE else inside)}
        if name in SERVICES:
            variables[SERVICE_KEY] = str(system.keys_folder.absolute() / f"{name}.key")
        common = f'{_located(folder / name, "..")}. "$servicecert_up/environment"\nunset {settings}\n'
        write_private(folder / name, (common + _exports(variables, system.folder)).encode(), replace=True)
    return folder


def _located(file: Path, folder: str) -> str:
    """Return a shell's lines that find the folder of a file that it reads, also if that was moved.

    Bash and zsh know the file; for another shell the folder is where it was made.
    """
    made = quote(str((file.parent / folder).absolute()))
    return (
        f'servicecert_up=$(cd "$(dirname "${{BASH_SOURCE:-$0}}")/{folder}" && pwd)\n'
        f'[ -f "$servicecert_up/environment" ] || servicecert_up={made}\n'
    )


def _exports(variables: Mapping[str, str], folder: Path) -> str:
    """Return a shell's lines that export variables; a path within the folder is that of `_located`."""
    inside = f"{folder.absolute()}/"
    return "".join(
        f'export {name}="$servicecert_up"/{quote(value.removeprefix(inside))}\n'
        if value.startswith(inside)
        else f"export {name}={quote(value)}\n"
        for name, value in variables.items()
    )


async def _watch(system: System, console: Console) -> None:
    """Show the board, or where there is no terminal print a line now and then; restart what has died. For ever."""
    supervisor, rates = Supervisor(system, time.monotonic), Rates()
    printed, last = [""], -LINE_SECONDS
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            for line in await asyncio.to_thread(supervisor.restart_dead):
                console.print(f"   {line}", style="yellow", markup=False, soft_wrap=True)
            samples = await look(system)
            shown = rows(samples, await system.waiting(), supervisor.restarts)
            found = [(row, rates.of(row, time.monotonic())) for row in shown]
            if console.is_terminal and console.width >= BOARD_WIDTH:
                idle = idle_processes(samples)
                live.update(board(found, [f"not ready: {', '.join(idle)}"] if idle else []), refresh=True)
            elif (
                lines := [row.line(rate) for row, rate in found]
            ) != printed and time.monotonic() - last >= LINE_SECONDS:
                printed, last = lines, time.monotonic()
                console.print("\n".join(lines), soft_wrap=True)
            await asyncio.sleep(LOOK_SECONDS)

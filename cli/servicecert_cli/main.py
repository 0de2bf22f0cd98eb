"""The group of all commands. A command's module is imported on use, so that help is quick."""

import atexit
import errno
import gc
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from types import MappingProxyType
from typing import cast

import click

SUBJECTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "See it": {
            "demo": "Four applications all the way to certificates, told as it happens.",
            "up": "Everything running on this machine until Ctrl-C, with a live board.",
        },
        "Be the e-service": {
            "example": "Get an example certificate, from the key to the mail.",
            "submit": "Publish an application, as the e-service would.",
            "revoke": "Request the revocation of a case's certificate.",
            "csr": "Certificate requests, judged without applying.",
            "watch": "Follow a case and print each of its states.",
            "cases": "List the cases of a customer account, the newest first.",
        },
        "Prepare": {
            "install": "An installation, step by step (docs/install.md).",
            "db": "Roles and schemas of the services in PostgreSQL.",
            "topics": "The topics of the catalogue in Kafka.",
            "registers": "The registers that applications are checked against.",
            "service-keys": "Make the services' own keys, by which they know each other's records.",
            "ca": "The certificate authority's keys and certificates.",
            "compose": "Passwords and passphrases for docker-compose.yml.",
        },
        "Operate": {
            "run": "Run one worker of a service until stopped.",
            "crl": "Serve the published CRLs over HTTP, and publish them again.",
            "ocsp": "Run one OCSP responder until stopped.",
            "canary": "Send a test application all the way, again and again, until stopped.",
            "republish": "Compare a service's topics with its tables, and publish what is missing.",
            "restore": "Bring a database forward that was restored to an earlier moment than the topics.",
            "lag": "Show what the services have not handled yet, in messages and seconds.",
            "doctor": "Say what is wrong, why that matters, and what to do.",
            "keys": "The keys of applications: search, list and block weak or leaked ones.",
            "mail": "The mails to customers: preview them, look up their state, send them again.",
            "parked": "Records that a service could not handle.",
            "audit": "The record of every decision and signature.",
            "proposals": "Revocations by the authority, which two operators decide.",
            "incident": "Revoke many certificates after an incident.",
            "erase": "Erase the personal data of cases that ended 5 years ago.",
        },
    }
)
"""The commands by subject, each with the first sentence of its help text."""

SENTENCES = {name: sentence for commands in SUBJECTS.values() for name, sentence in commands.items()}


class Commands(click.Group):
    """Find commands by name in `servicecert_cli.commands`, and print expected errors as one sentence."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(SENTENCES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SENTENCES:
            return None
        command = importlib.import_module(f"servicecert_cli.commands.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        _keep_lines_of_examples(command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for subject, commands in SUBJECTS.items():
            with formatter.section(subject):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: click.Context) -> object:
        # Imported objects live as long as the process: collected less often, and not as it ends, a command takes a
        # third less.
        gc.set_threshold(20_000, 20, 100)
        atexit.register(gc.freeze)
        for stream in filter(None, (sys.stdout, sys.stderr)):
            # A terminal that cannot show a letter shows its number.
            cast(TextIOWrapper, stream).reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)
        except Exception as error:
            from servicecert_worker.core.faults import operator_message

            from .terminal.output import escaped

            fault = operator_message(error)
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                fault = ("The output cannot be written: its disk is full.", os.EX_CANTCREAT)
            elif fault is None and isinstance(error, OSError) and error.filename:
                fault = (f"{error.filename} cannot be used ({error.strerror}): name another place.", os.EX_CANTCREAT)
            if fault is None:
                raise
            sentences, code = fault
            click.echo("\n".join(f"servicecert: {escaped(each)}" for each in sentences.splitlines()), err=True)
            ctx.exit(code)


def _keep_lines_of_examples(command: click.Command) -> None:
    """Have click not wrap the examples in the help of a command and of those below it, by its mark for that."""
    command.help = inspect.cleandoc(command.help or "").replace("\n\nExample", "\n\n\b\nExample")
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_lines_of_examples(each)


@click.group(
    cls=Commands,
    # By these a misspelt name is told from the nearest one.
    commands=[click.Command(name) for name in SENTENCES],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(package_name="servicecert", message="%(version)s")
def main() -> None:
    """Workers that issue and revoke the service certificates of Finnish social welfare and healthcare.

    \b
    Exit codes: 0 success, 1 failed, 2 wrong usage, 65 invalid input, 66 input not
    readable, 69 a server does not answer, 70 a part failed, 73 output not
    writable, 75 try later, 77 refused, 78 wrong configuration, 130 interrupted
    (doctor: its own).
    """

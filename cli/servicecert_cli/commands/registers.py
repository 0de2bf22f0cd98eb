"""`servicecert registers`: the registers that applications are judged by."""

from __future__ import annotations

from pathlib import Path

import click

from servicecert_cli.faults import Told
from servicecert_cli.output import as_json, print_json

EX_DATAERR = 65


@click.group()
def command() -> None:
    """The registers that applications are judged by."""


@command.command()
@click.argument("path", metavar="FILE", required=False, type=click.Path(path_type=Path))
@click.option("--fictitious", is_flag=True, help="The invented organisations of the demonstration.")
@as_json
def load(path: Path | None, fictitious: bool, as_json: bool) -> None:
    """Publish the entries of a register file to the topic `registers`.

    FILE is a CSV export of organisations, Kanta intermediaries or information systems
    (its header tells which), or a folder of such files. The whole file is checked first;
    loading it again does no harm.

    \b
    Examples:
      servicecert registers load organisations.csv
      servicecert registers load --fictitious
    """
    from servicecert_intake.register_file import FICTITIOUS_REGISTERS, RegisterFileError, read_register

    from servicecert_cli import interruption
    from servicecert_cli.addresses import cluster
    from servicecert_cli.publishing import load_registers

    if (path is None) is not fictitious:
        raise click.UsageError("Name a FILE, or say --fictitious.")
    try:
        entries = list(read_register(path or FICTITIOUS_REGISTERS))
    except RegisterFileError as fault:
        raise Told(str(fault), EX_DATAERR) from None
    interruption.run(load_registers(cluster(), entries))
    if as_json:
        print_json({"entries": len(entries)})
    else:
        click.echo(f"{len(entries)} entries are published.")
